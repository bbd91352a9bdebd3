package render

import (
	"bytes"
	"encoding"
	"encoding/json"
	"log/slog"
	"net/url"
	"reflect"
	"strings"
	"time"
)

const (
	// maxResolve bounds how often one value's LogValue may return another LogValuer.
	maxResolve = 16
	// maxDecode bounds the output of a MarshalJSON that is looked into.
	maxDecode = 1 << 20
)

// special writes a value whose type has a rule of its own. v is not nil.
func (w *walker) special(v reflect.Value, info *typeInfo, depth int) {
	switch x := receiver(v, info.viaPtr); info.how {
	case asLogValuer:
		w.logValuer(x.(slog.LogValuer), info, depth)
	case asTime:
		w.text(x.(time.Time).Format(time.RFC3339Nano))
	case asDuration:
		w.text(x.(time.Duration).String())
	case asURL:
		w.text(w.urlText(x.(url.URL)))
	case asNumber:
		w.number(x.(json.Number).String())
	case asValue:
		w.slogValue(x.(slog.Value), info, depth)
	case asAttr:
		w.group([]slog.Attr{x.(slog.Attr)}, depth)
	case asAttrs:
		w.group(x.([]slog.Attr), depth)
	case asError:
		w.text(errorText(x.(error), info))
	case asMarshaler:
		w.marshaler(x.(json.Marshaler), info, depth)
	case asText:
		s, _ := marshalText(x.(encoding.TextMarshaler))
		w.text(s)
	default: // asOpaque
		w.text(info.name)
	}
}

// logValuer writes what LogValue returns. That may lead back here without going
// any deeper: a value whose pointer has the method, and returns such a value again.
func (w *walker) logValuer(lv slog.LogValuer, info *typeInfo, depth int) {
	if w.resolving >= 4*w.r.maxDepth {
		w.raw(cut)
		return
	}
	w.resolving++
	w.slogValue(slog.AnyValue(lv), info, depth)
	w.resolving--
}

// receiver returns v as an interface that has the method in question. A value
// that isn't addressable is copied for it: nobody writes to what isn't addressable.
func receiver(v reflect.Value, viaPtr bool) any {
	if !viaPtr {
		return v.Interface()
	}
	if v.CanAddr() {
		return v.Addr().Interface()
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return p.Interface()
}

// panicked is the text for a method that panicked. The panic's value is not
// part of it: it often quotes the data that caused it.
func panicked(method, typ string) string { return "!PANIC: " + method + " of " + typ }

func errorText(err error, info *typeInfo) (s string) {
	defer func() {
		if recover() != nil {
			s = panicked("Error", info.name)
		}
	}()
	return err.Error()
}

func marshalText(m encoding.TextMarshaler) (s string, ok bool) {
	name := typeName(reflect.TypeOf(m))
	defer func() {
		if recover() != nil {
			s = panicked("MarshalText", name)
		}
	}()
	b, err := m.MarshalText()
	if err != nil {
		return "!ERROR: MarshalText of " + name, false
	}
	return string(b), true
}

// marshaler writes what m's MarshalJSON returns, walked like any value: the names
// in it are masked, and its depth and length bounded.
func (w *walker) marshaler(m json.Marshaler, info *typeInfo, depth int) {
	b, problem := marshalJSON(m, info)
	if problem != "" {
		w.text(problem)
		return
	}
	if len(b) > maxDecode {
		w.text("[large JSON of " + info.name + "]")
		return
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		w.text("!ERROR: MarshalJSON of " + info.name)
		return
	}
	w.value(reflect.ValueOf(v), depth)
}

func marshalJSON(m json.Marshaler, info *typeInfo) (b []byte, problem string) {
	defer func() {
		if recover() != nil {
			problem = panicked("MarshalJSON", info.name)
		}
	}()
	b, err := m.MarshalJSON()
	if err != nil {
		return nil, "!ERROR: MarshalJSON of " + info.name
	}
	return b, ""
}

func (w *walker) number(s string) {
	if !isNumber(s) {
		w.text(s)
		return
	}
	if len(s) > w.r.maxStr {
		s = cut
	}
	w.raw(s)
}

// urlText returns u without its password, and with the masked parameters of its
// query and of its fragment, where OAuth's implicit grant puts the token.
func (w *walker) urlText(u url.URL) string {
	u.RawQuery = w.query(u.RawQuery)
	if q := w.query(u.Fragment); q != u.Fragment {
		u.Fragment, u.RawFragment = q, q
	}
	return u.Redacted()
}

// query masks parameters in place. It doesn't parse and encode again, because
// url.ParseQuery drops what it doesn't understand.
func (w *walker) query(q string) string {
	if !strings.Contains(q, "=") {
		return q
	}
	parts := strings.FieldsFunc(q, func(r rune) bool { return r == '&' || r == ';' })
	changed := false
	for i, p := range parts {
		name, _, ok := strings.Cut(p, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		if ok && w.r.names.match(plain) {
			parts[i], changed = name+"="+Redacted, true
		}
	}
	if !changed {
		return q
	}
	return strings.Join(parts, "&")
}
