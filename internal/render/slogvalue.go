package render

import (
	"log/slog"
	"reflect"
	"strconv"
	"time"
)

// slogValue writes v, resolving it first. info is of the type that it came from.
func (w *walker) slogValue(v slog.Value, info *typeInfo, depth int) {
	v, problem := resolve(v, info)
	if problem != "" {
		w.text(problem)
		return
	}
	start := len(w.buf)
	switch v.Kind() {
	case slog.KindString:
		w.text(v.String())
	case slog.KindBool:
		w.buf = strconv.AppendBool(w.buf, v.Bool())
	case slog.KindInt64:
		w.buf = strconv.AppendInt(w.buf, v.Int64(), 10)
	case slog.KindUint64:
		w.buf = strconv.AppendUint(w.buf, v.Uint64(), 10)
	case slog.KindFloat64:
		w.buf = appendFloat(w.buf, v.Float64(), 64)
	case slog.KindDuration:
		w.text(v.Duration().String())
	case slog.KindTime:
		w.text(v.Time().Format(time.RFC3339Nano))
	case slog.KindGroup:
		w.group(v.Group(), depth)
	default:
		// A value can't be a LogValuer here, so this doesn't come back at once.
		w.value(reflect.ValueOf(v.Any()), depth)
	}
	w.scalar(start)
}

// resolve asks LogValuers until one returns something else. slog's own Resolve
// puts the panic's value and a stack into the text, which we must not.
func resolve(v slog.Value, info *typeInfo) (out slog.Value, problem string) {
	defer func() {
		if recover() != nil {
			problem = panicked("LogValue", info.name)
		}
	}()
	for range maxResolve {
		if v.Kind() != slog.KindLogValuer {
			return v, ""
		}
		if lv := reflect.ValueOf(v.Any()); lv.Kind() == reflect.Pointer && lv.IsNil() {
			return slog.AnyValue(nil), ""
		}
		v = v.LogValuer().LogValue()
	}
	return v, "!ERROR: LogValue of " + info.name + " returns LogValuers without end"
}

// group writes attrs as an object. Attributes of a group without a name belong to its parent.
func (w *walker) group(attrs []slog.Attr, depth int) {
	if !w.begin('{', depth) {
		return
	}
	w.end('}', w.attrs(attrs, depth))
}

// attrs writes the fields of a group and returns how many didn't fit.
func (w *walker) attrs(attrs []slog.Attr, depth int) (missing int) {
	for i, a := range attrs {
		if w.steps--; w.steps < 0 || i >= w.r.maxItems {
			return len(attrs) - i
		}
		if a.Equal(slog.Attr{}) {
			continue
		}
		// Before the value is asked for anything: a masked one isn't resolved at all.
		if a.Key != "" && w.r.names.match(a.Key) {
			if !w.key(clip(a.Key)) {
				return len(attrs) - i
			}
			w.raw(`"` + Redacted + `"`)
			continue
		}
		if missing = w.attr(a, depth); missing > 0 {
			return missing + len(attrs) - i - 1
		}
	}
	return 0
}

func (w *walker) attr(a slog.Attr, depth int) (missing int) {
	info := attrInfo
	v, problem := resolve(a.Value, info)
	if problem == "" && v.Kind() == slog.KindGroup {
		if len(v.Group()) == 0 {
			return 0
		}
		if a.Key == "" {
			// Nothing is written for the group itself, so only the depth ends a
			// group that is made of itself.
			if depth+1 >= w.r.maxDepth {
				return len(v.Group())
			}
			return w.attrs(v.Group(), depth+1)
		}
	}
	if !w.key(clip(a.Key)) {
		return 1
	}
	if problem != "" {
		w.text(problem)
		return 0
	}
	w.slogValue(v, info, depth+1)
	return 0
}

// attrInfo names the origin of attributes' values in messages: naming the type
// of each would mean looking at it before it is known whether it may be asked.
var attrInfo = &typeInfo{name: "(slog.Attr)"}
