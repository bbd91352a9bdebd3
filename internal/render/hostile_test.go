package render

import (
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
)

type panicker struct{ S string }

func (p panicker) LogValue() slog.Value { panic("hunter2 " + p.S) }

type panicError struct{ S string }

func (p panicError) Error() string { panic(p.S) }

type panicMarshaler struct{ S string }

func (p panicMarshaler) MarshalJSON() ([]byte, error) { panic(p.S) }

type panicText struct{ S string }

func (p panicText) MarshalText() ([]byte, error) { panic(p.S) }

// forever returns itself, by the road that slog resolves.
type forever struct{}

func (f forever) LogValue() slog.Value { return slog.AnyValue(f) }

// hidden returns itself where slog does not see a LogValuer: only its pointer is one.
type hidden struct{ S string }

func (h *hidden) LogValue() slog.Value { return slog.AnyValue(hidden{h.S}) }

// nested returns a group, a struct or a slice of itself.
type nested struct{ how int }

func (n nested) LogValue() slog.Value {
	switch n.how {
	case 0:
		return slog.GroupValue(slog.Any("a", n), slog.Any("b", n), slog.Any("c", n))
	case 1:
		return slog.AnyValue(struct{ N nested }{n})
	case 2:
		return slog.AnyValue([]nested{n, n, n})
	case 3:
		return slog.GroupValue(slog.Any("", n), slog.Any("", n), slog.Any("", n))
	}
	p := &n
	return slog.AnyValue(&p)
}

type huge struct{}

func (huge) MarshalJSON() ([]byte, error) {
	return []byte("[" + strings.Repeat(`{"password":"hunter2"},`, 100_000) + "1]"), nil
}

type large struct{}

func (large) MarshalJSON() ([]byte, error) {
	return []byte("[" + strings.Repeat(`{"password":"hunter2"},`, 1000) + "1]"), nil
}

type deep struct{}

func (deep) MarshalJSON() ([]byte, error) {
	return []byte(strings.Repeat("[", 9000) + strings.Repeat("]", 9000)), nil
}

func TestHostile(t *testing.T) {
	chain := any(1)
	for range 100_000 {
		next := chain
		chain = &next
	}
	tests := map[string]struct {
		v    any
		want string // contained in the output
	}{
		"panicking LogValue":    {panicker{"hunter2"}, `"!PANIC: LogValue of (render.panicker)"`},
		"in an attribute":       {slog.Any("k", panicker{"hunter2"}), `{"k":"!PANIC: LogValue of (slog.Attr)"}`},
		"panicking Error":       {panicError{"hunter2"}, `"!PANIC: Error of (render.panicError)"`},
		"panicking MarshalJSON": {&panicMarshaler{"hunter2"}, `"!PANIC: MarshalJSON of (render.panicMarshaler)"`},
		"panicking MarshalText": {panicText{"hunter2"}, `"!PANIC: MarshalText of (render.panicText)"`},
		"panicking key":         {map[panicText]int{{"hunter2"}: 1}, `{"!PANIC: MarshalText of (render.panicText)":1}`},
		"endless LogValue":      {forever{}, "without end"},
		"endless, unseen":       {hidden{}, cut},
		"groups of itself":      {nested{0}, "…"},
		"structs of itself":     {nested{1}, "…"},
		"slices of itself":      {nested{2}, "…"},
		"inlined in itself":     {nested{3}, "more"},
		"pointers to itself":    {nested{4}, "…"},
		"huge JSON":             {huge{}, "large JSON"},
		"large JSON":            {large{}, "more"},
		"deep JSON":             {deep{}, "…"},
		"chain of pointers":     {chain, "…"},
		"long number":           {json.Number(strings.Repeat("7", 1<<20)), cut},
		"long string":           {strings.Repeat("\x00", 1<<20), "…"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			// A large MaxLen must not turn into a deep recursion.
			for _, n := range []int{0, 1 << 20} {
				got := New(Options{MaxLen: n}).JSON(tc.v).String()
				if !json.Valid([]byte(got)) {
					t.Error("not valid JSON")
				}
				if strings.Contains(got, "hunter2") {
					t.Error("leaked")
				}
				if !strings.Contains(got, tc.want) {
					t.Errorf("got %.200s, want %s in it", got, tc.want)
				}
			}
		})
	}
}

func TestConcurrentSafe(t *testing.T) {
	r := New(Options{})
	v := map[string]any{"r": receipt{Order: "o"}, "l": []any{valuer{"x"}, &ptrValuer{}}}
	want := r.JSON(v)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if got := r.JSON(v); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
		})
	}
	wg.Wait()
}
