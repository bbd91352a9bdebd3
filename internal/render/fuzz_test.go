package render

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// marker is what must never be printed. The fuzzer's own strings can't contain
// it by accident.
const marker = "\u2039hunter2\u203a"

// builder makes a value out of fuzz input, with the marker under masked names.
type builder struct {
	in   []byte
	text string
	all  []any // what was built so far, to make cycles and sharing of
}

func (b *builder) next() int {
	if len(b.in) == 0 {
		return 0
	}
	n := int(b.in[0])
	b.in = b.in[1:]
	return n
}

type fuzzStruct struct {
	A        any
	Password any
	B        any `log:"secret"`
	C        any `log:"-"`
	D        any `json:"x_api_key"`
	*fuzzStruct
	L []any
	M map[string]any
}

type fuzzValuer struct{ v any }

func (f fuzzValuer) LogValue() slog.Value {
	return slog.GroupValue(slog.Any("v", f.v), slog.Any("cookie", marker), slog.Group("", slog.Any("pin", f.v)))
}

type fuzzPtrValuer struct{ V any }

func (f *fuzzPtrValuer) LogValue() slog.Value { return slog.AnyValue([]any{f.V}) }

type fuzzMarshaler struct{ v string }

func (f fuzzMarshaler) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{"a": f.v, "Card": marker, "l": []any{map[string]string{"iban": marker}}})
}

var maskedKeys = []string{"password", "X-Api-Key", "accessToken", "card_number", "Authorization", "PIN"}

func (b *builder) build(depth int) (v any) {
	defer func() { b.all = append(b.all, v) }()
	op := b.next()
	if depth > 20 || len(b.in) == 0 {
		op %= 8
	}
	switch op % 19 {
	case 0:
		return nil
	case 1:
		return b.text
	case 2:
		return op * 1_000_003
	case 3:
		return float64(op) / 3
	case 4:
		return []byte(b.text)
	case 5:
		return errors.New(b.text)
	case 6:
		return time.Duration(op)
	case 7: // something from before, which makes what is shared
		if len(b.all) > 0 {
			return b.all[b.next()%len(b.all)]
		}
		return json.Number(b.text)
	case 8:
		s := &fuzzStruct{A: b.build(depth + 1), Password: marker, B: marker, C: marker, D: []string{marker}}
		if op > 100 {
			s.fuzzStruct = &fuzzStruct{L: []any{s, b.build(depth + 1)}, M: map[string]any{b.text: s, "token": marker}}
		}
		return s
	case 9:
		return fuzzStruct{A: b.build(depth + 1), Password: fuzzValuer{marker}, B: marker, L: []any{b.build(depth + 1)}}
	case 10:
		m := map[string]any{b.text: b.build(depth + 1), maskedKeys[b.next()%len(maskedKeys)]: marker}
		m["self"] = m
		return m
	case 11:
		l := make([]any, b.next()%80)
		for i := range min(len(l), 4) {
			l[i] = b.build(depth + 1)
		}
		return l
	case 12:
		inner := b.build(depth + 1)
		return &inner
	case 13:
		return fuzzValuer{b.build(depth + 1)}
	case 14:
		return fuzzPtrValuer{b.build(depth + 1)}
	case 15:
		return fuzzMarshaler{b.text}
	case 16:
		return http.Header{"Cookie": {marker}, b.text: {b.text}}
	case 17:
		return map[any]any{op: b.build(depth + 1), b.text: 1, maskedKeys[b.next()%len(maskedKeys)]: []any{marker}}
	}
	return []slog.Attr{slog.Any(b.text, b.build(depth+1)), slog.Any("secret", marker), slog.Any("", panicker{marker})}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte{8, 10, 1, 2, 13, 14, 11, 3, 1, 1}, "text", uint16(0))
	f.Add([]byte{103, 18, 9, 12, 17, 15, 16, 7, 1}, "\xff\"\\\u2028", uint16(70))
	f.Add([]byte{11, 79, 8, 8, 8, 8}, "", uint16(500))
	f.Add([]byte{10, 3, 10, 4, 13, 103, 13, 9}, strings.Repeat("é", 300), uint16(200))
	f.Fuzz(func(t *testing.T, in []byte, text string, maxLen uint16) {
		if strings.Contains(text, "hunter2") {
			t.Skip()
		}
		limit := max(int(maxLen), minLen)
		if maxLen == 0 {
			limit = DefaultMaxLen
		}
		b := &builder{in: in, text: text}
		v := b.build(0)
		r := New(Options{MaxLen: int(maxLen)})
		got := r.JSON(v).String()
		switch {
		case !json.Valid([]byte(got)):
			t.Errorf("not valid JSON: %s", got)
		case strings.Contains(got, "hunter2"):
			t.Errorf("leaked: %s", got)
		case len(got) > limit:
			t.Errorf("%d bytes, limit is %d", len(got), limit)
		case strings.Contains(got, "!PANIC: render"):
			t.Errorf("the walker itself panicked")
		case got != r.JSON(v).String():
			t.Errorf("not the same twice: %s", got)
		}
	})
}
