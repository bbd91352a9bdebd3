package logging

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/postlude/postlude/internal/render"
	"github.com/postlude/postlude/runtime/taskconv"
)

// Colours of tint.Attr: ANSI's bright ones.
const (
	red  = 9
	cyan = 14
)

// consoleAttr makes an attribute short, or drops it: a human has the trace
// viewer for the rest. Like slog's, it sees the attributes of a group that it
// returned once more, inside that group.
func consoleAttr(groups []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.DurationValue(readable(a.Value.Duration()))
	case slog.KindAny:
		if j, ok := a.Value.Any().(render.JSON); ok {
			a.Value = flatten(j)
		}
	}
	if len(groups) > 0 {
		return a
	}
	if isNoise(a) {
		return slog.Attr{}
	}
	return short(a)
}

// isNoise reports whether a says what the reader knows, or can't use.
func isNoise(a slog.Attr) bool {
	switch a.Key {
	case taskconv.LogEvent, taskconv.LogSpanID, taskconv.LogTraceFlags,
		taskconv.TaskOutcome, taskconv.CodeFunctionName:
		return true
	case taskconv.TaskShield:
		return a.Value.String() == "false"
	case taskconv.TaskAttempt:
		return a.Value.String() == "1"
	case taskconv.TaskTiming:
		return a.Value.String() == taskconv.TimingImmediate
	case taskconv.TaskVerdict:
		return a.Value.String() == taskconv.VerdictPass
	}
	return false
}

func short(a slog.Attr) slog.Attr {
	switch a.Key {
	case taskconv.TaskName:
		return tint.Attr(cyan, slog.Attr{Key: "task", Value: a.Value})
	case taskconv.LogTraceID:
		a.Key = "trace"
	case taskconv.LogDurationMS:
		return duration("took", a.Value)
	case taskconv.LogQueueDelayMS:
		return duration("waited", a.Value)
	case taskconv.LogRetryDelayMS:
		return duration("retry_in", a.Value)
	case taskconv.TaskVerdictHandler:
		a.Key = "by"
	case taskconv.ErrorType, taskconv.ExceptionType:
		a.Key = "type"
	case taskconv.ExceptionMessage:
		return tint.Attr(red, slog.Attr{Key: "err", Value: a.Value})
	case "error", "err":
		if a.Value.Kind() == slog.KindAny && a.Value.Any() == nil {
			return slog.Attr{}
		}
		return tint.Attr(red, a)
	default:
		a.Key = strings.TrimPrefix(a.Key, "task.")
	}
	return a
}

// duration turns milliseconds into what one reads: "3.1ms".
func duration(key string, v slog.Value) slog.Attr {
	if v.Kind() != slog.KindFloat64 {
		return slog.Attr{Key: key, Value: v}
	}
	d := time.Duration(v.Float64() * float64(time.Millisecond))
	return slog.Duration(key, readable(d))
}

// readable rounds to two or three digits that matter.
func readable(d time.Duration) time.Duration {
	abs := d.Abs()
	for unit := time.Minute; unit >= time.Microsecond; {
		next := unit / 1000
		if unit == time.Minute {
			next = time.Second
		}
		if abs >= unit {
			if unit == time.Minute {
				return d.Round(time.Second)
			}
			return d.Round(unit / 10)
		}
		unit = next
	}
	return d
}

// flatten turns rendered JSON into a group, so that arguments read
// args.order=o-17 and not args="{\"order\":\"o-17\"}".
func flatten(j render.JSON) slog.Value {
	dec := json.NewDecoder(strings.NewReader(j.String()))
	dec.UseNumber()
	v, err := flattenNext(dec)
	if err != nil {
		return slog.StringValue(j.String())
	}
	return v
}

// flattenNext reads one value. It reads tokens, to keep the order of fields.
func flattenNext(dec *json.Decoder) (slog.Value, error) {
	t, err := dec.Token()
	if err != nil {
		return slog.Value{}, err
	}
	switch t := t.(type) {
	case json.Delim:
		return flattenAll(dec, t)
	case string:
		return slog.StringValue(t), nil
	case json.Number:
		return slog.StringValue(t.String()), nil
	case bool:
		return slog.BoolValue(t), nil
	}
	return slog.StringValue("null"), nil
}

// flattenAll reads what follows the opening bracket of an object or array.
func flattenAll(dec *json.Decoder, open json.Delim) (slog.Value, error) {
	var attrs []slog.Attr
	var items []string
	for i := 0; dec.More(); i++ {
		key := strconv.Itoa(i)
		if open == '{' {
			t, err := dec.Token()
			if err != nil {
				return slog.Value{}, err
			}
			key, _ = t.(string)
		}
		v, err := flattenNext(dec)
		if err != nil {
			return slog.Value{}, err
		}
		attrs = append(attrs, slog.Attr{Key: key, Value: v})
		if v.Kind() != slog.KindGroup {
			items = append(items, v.String())
		}
	}
	if _, err := dec.Token(); err != nil { // the closing bracket
		return slog.Value{}, err
	}
	switch {
	case open == '[' && len(items) == len(attrs):
		return slog.StringValue("[" + strings.Join(items, ",") + "]"), nil
	case len(attrs) == 0:
		return slog.StringValue("{}"), nil
	}
	return slog.GroupValue(attrs...), nil
}
