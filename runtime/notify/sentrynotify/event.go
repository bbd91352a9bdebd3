package sentrynotify

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/getsentry/sentry-go"

	"github.com/postlude/postlude/internal/errs"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/taskconv"
)

// Sentry cuts or refuses what is longer.
const (
	maxTag        = 200
	maxText       = 8 << 10
	maxExceptions = 32
)

// eventOf is the event about a failure. Its id is made here, so that its way can be told
// from that of others.
func eventOf(f *postlude.Failure, depth int) *sentry.Event {
	task, e := f.Task(), sentry.NewEvent()
	e.EventID = newID()
	e.Level = sentry.LevelError
	e.Logger = "postlude"
	e.Transaction = task.Name
	e.Fingerprint = []string{task.Name, f.ErrorType}
	if n := len(f.History); n > 0 {
		e.Timestamp = f.History[n-1].Start.Add(f.History[n-1].Elapsed)
	}
	e.Tags = tags(f)
	e.Contexts["task"] = taskContext(f)
	e.Exception = exceptions(f, depth)
	return e
}

// newID is a random (version 4) UUID without dashes.
func newID() sentry.EventID {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return sentry.EventID(hex.EncodeToString(id[:]))
}

func tags(f *postlude.Failure) map[string]string {
	all := map[string]string{
		taskconv.TaskName:    f.Task().Name,
		taskconv.TaskTiming:  f.Task().Timing,
		taskconv.TaskAttempt: strconv.Itoa(f.Attempt),
		taskconv.TaskOutcome: string(f.Kind),
		taskconv.ErrorType:   f.ErrorType,
	}
	for key, value := range all {
		if all[key] = tag(value); value == "" {
			delete(all, key)
		}
	}
	return all
}

// taskContext is shown as a table of its own. Arguments and attempts are JSON, so that
// Sentry's own scrubbing sees their names, too.
func taskContext(f *postlude.Failure) sentry.Context {
	task := f.Task()
	c := sentry.Context{
		"name": task.Name, "id": f.ID, "function": task.Func, "attempt": f.Attempt,
		"elapsed_ms": millis(f.Elapsed), "error_type": f.ErrorType, "kind": string(f.Kind),
	}
	if task.Timing != "" { // see postlude.Escalate: a SERVER span of a provider's has none
		c["timing"], c["shield"] = task.Timing, task.Shield
	}
	if f.MaxAttempts > 0 {
		c["max_attempts"] = f.MaxAttempts
	}
	if args := f.RedactedArgs(); json.Valid([]byte(args)) {
		c["args"] = json.RawMessage(args)
	}
	if len(f.History) > 0 {
		c["attempts"] = attempts(f.History)
	}
	if f.TraceURL != "" {
		c["trace_url"] = f.TraceURL
	}
	if f.Suppressed > 0 {
		c["suppressed"] = f.Suppressed
	}
	if f.Stack != "" && framesOf(f.Stack) == nil { // of a format of the error's own
		c["stack"] = cut(f.Stack, maxText)
	}
	return c
}

func attempts(history []postlude.FailedAttempt) []map[string]any {
	all := make([]map[string]any, 0, len(history))
	for _, past := range history {
		a := map[string]any{
			"attempt": past.Attempt, "start": past.Start.UTC().Format(time.RFC3339Nano), "elapsed_ms": millis(past.Elapsed),
			"error": cut(errs.Text(past.Err), maxText/8), "error_type": past.ErrorType, "kind": string(past.Kind),
		}
		if past.Fallback {
			a["fallback"] = true
		}
		if past.SpanContext.IsValid() {
			a["span_id"] = past.SpanContext.SpanID().String()
		}
		all = append(all, a)
	}
	return all
}

// exceptions is the error with what it wraps, the outermost last, as Sentry wants it. That
// is the title: the error type says more than *fmt.wrapError.
func exceptions(f *postlude.Failure, depth int) []sentry.Exception {
	all := chain(f, depth)
	if n := len(all); n > maxExceptions { // joined errors are not bounded by depth
		all = all[n-maxExceptions:]
	}
	for i := range all {
		all[i].Value = cut(all[i].Value, maxText)
	}
	last := &all[len(all)-1]
	last.Type, last.Value = f.ErrorType, cut(f.Message(), maxText)
	if frames := framesOf(f.Stack); frames != nil {
		last.Stacktrace = &sentry.Stacktrace{Frames: frames}
	}
	if last.Mechanism == nil {
		last.Mechanism = &sentry.Mechanism{Type: sentry.MechanismTypeGeneric}
	}
	last.Mechanism.Handled = sentry.Pointer(f.Kind != postlude.KindPanic)
	return all
}

// chain has the SDK open the error. That calls the error's own methods, which may panic:
// then the error stands alone.
func chain(f *postlude.Failure, depth int) (all []sentry.Exception) {
	defer func() {
		if recover() != nil {
			all = make([]sentry.Exception, 1)
		}
	}()
	if depth < 0 || depth > maxExceptions { // some errors have no end
		depth = maxExceptions
	}
	var e sentry.Event
	e.SetException(f.Err, depth)
	if len(e.Exception) == 0 {
		return make([]sentry.Exception, 1)
	}
	// Without a stack of the error's, the SDK takes that of its caller, which is no news.
	e.Exception[len(e.Exception)-1].Stacktrace = sentry.ExtractStacktrace(f.Err)
	return e.Exception
}

// tag is s as the value of a tag: short, and on one line.
func tag(s string) string {
	return cut(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s), maxTag)
}

// cut is the beginning of s: valid UTF-8, and limit bytes at most.
func cut(s string, limit int) string {
	if len(s) > limit {
		const mark = "..."
		s = s[:limit-len(mark)] + mark
	}
	return strings.ToValidUTF8(s, "")
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
