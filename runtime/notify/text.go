package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/postlude/postlude/internal/errs"
	postlude "github.com/postlude/postlude/runtime"
)

// maxText is more than a message can have, in bytes: the sum of the limits below, and of
// what is around them.
const maxText = 16 << 10

const (
	firstAttempts = 3 // that are listed; how it began is worth more than the middle
	lastAttempts  = 7
)

// message is the text about a failure, in Slack's mrkdwn. What comes from outside is in
// code spans, on one line, bounded: it can neither look like another line of the message
// nor mention anybody.
func message(f *postlude.Failure) string { return messageOf(f, f.Task(), f.RedactedArgs()) }

func messageOf(f *postlude.Failure, task postlude.TaskInfo, args string) string {
	var b strings.Builder
	title := "Task failed"
	if task.Timing == "" { // see postlude.Escalate: a SERVER span of a provider's
		title = "Request failed"
	}
	fmt.Fprintf(&b, "*%s:* %s\n", title, code(task.Name, 256))
	field(&b, "Function", task.Func, 512)
	fmt.Fprintf(&b, "Error: %s (%s)\n", code(f.ErrorType, 256), line(string(f.Kind), 32))
	fmt.Fprintf(&b, "Message: %s\n", code(f.Message(), 2048))
	field(&b, "Arguments", args, 4096)
	if task.Timing != "" {
		fmt.Fprintf(&b, "Timing: %s, shield: %t\n", line(task.Timing, 32), task.Shield)
	}
	attempts(&b, f)
	if f.TraceURL != "" {
		bare := strings.ReplaceAll(f.TraceURL, "`", "%60") // in a code span it would be no link
		fmt.Fprintf(&b, "Trace: %s\n", line(bare, 2048))
	}
	if f.SpanContext.IsValid() {
		fmt.Fprintf(&b, "Trace ID: %s\n", f.SpanContext.TraceID())
	}
	field(&b, "Task ID", f.ID, 64)
	if f.Suppressed > 0 {
		fmt.Fprintf(&b, "Suppressed: %d more failures of this kind since the last message\n", f.Suppressed)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// field writes a line, unless it would be empty.
func field(b *strings.Builder, label, value string, limit int) {
	if value != "" {
		fmt.Fprintf(b, "%s: %s\n", label, code(value, limit))
	}
}

// attempts writes how many there were, and a line for each.
func attempts(b *strings.Builder, f *postlude.Failure) {
	fmt.Fprintf(b, "Attempts: %d", f.Attempt)
	if f.MaxAttempts > 0 {
		fmt.Fprintf(b, " of %d", f.MaxAttempts)
	}
	fmt.Fprintf(b, ", the last took %v\n", took(f.Elapsed))
	listed := f.History
	if len(listed) > firstAttempts+lastAttempts {
		listed = append(listed[:firstAttempts:firstAttempts], listed[len(listed)-lastAttempts:]...)
	}
	before := 0
	for _, past := range listed {
		if missing := past.Attempt - before - 1; missing > 0 { // the history is bounded, too
			fmt.Fprintf(b, "• %d more\n", missing)
		}
		before = past.Attempt
		number := strconv.Itoa(past.Attempt)
		if past.Fallback {
			number = "fallback"
		}
		fmt.Fprintf(b, "• %s: %s, %v, %s\n", number,
			past.Start.UTC().Format("2006-01-02T15:04:05.000Z07:00"), took(past.Elapsed), code(errs.Text(past.Err), 256))
	}
}

// took rounds to what a person reads.
func took(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(time.Millisecond / 10)
}

// code is s in a code span, where Slack formats and links nothing.
func code(s string, limit int) string {
	if s == "" {
		return "(none)"
	}
	return "`" + line(s, limit) + "`"
}

// line is s on one line, escaped, of at most limit bytes and the mark of a cut. Only what
// can be seen stays as it is: no line breaks of any script, no change of direction.
func line(s string, limit int) string {
	var b strings.Builder
	for _, r := range s {
		seen := visible(r)
		if b.Len()+len(seen) > limit {
			return b.String() + "…"
		}
		b.WriteString(seen)
	}
	return b.String()
}

func visible(r rune) string {
	switch {
	case r == '&': // these three are all that Slack wants escaped
		return "&amp;"
	case r == '<':
		return "&lt;"
	case r == '>':
		return "&gt;"
	case r == '`': // it would end a code span, and can't be escaped
		return "'"
	case unicode.IsPrint(r):
		return string(r)
	}
	return strings.Trim(strconv.QuoteRune(r), "'")
}
