package render

import (
	"encoding/json"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

type L1 struct {
	A, B string
	C    string `json:"c"`
}
type L2 struct {
	A, B string
	D    string `json:"d"`
}
type L3 struct {
	*L1
	E string `json:"B"`
}
type L4 struct {
	X string `json:"A"`
}
type recursive struct {
	*recursive
	X int
}
type (
	Named []string
	named []string
)

// The keys are those of encoding/json, whatever is embedded in what.
func TestFieldsAsEncodingJSON(t *testing.T) {
	for _, v := range []any{
		struct{ L1 }{},
		struct {
			L1
			L2
		}{},
		struct {
			L1
			*L2
			A string
		}{},
		struct {
			L1 `json:"l"`
			L2
		}{},
		struct {
			L3
			L2
		}{L3: L3{L1: &L1{}}},
		struct{ L3 }{},
		struct {
			L1
			L4
		}{L1: L1{A: "no"}, L4: L4{"yes"}},
		recursive{recursive: &recursive{}},
		struct {
			Named
			named
			Y int `json:",omitempty"`
		}{Named: Named{}, Y: 1},
		struct {
			X int `json:"P"`
			P int
			Q int
		}{},
	} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got := New(Options{}).JSON(v).String()
		if keys(t, []byte(got)) != keys(t, want) {
			t.Errorf("%T: got %s, encoding/json has %s", v, got, want)
		}
	}
}

// keys returns the text of an object in a form that doesn't depend on order.
func keys(t *testing.T, b []byte) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	out, _ := json.Marshal(m)
	return string(out)
}

func TestHasLogTags(t *testing.T) {
	type tagged struct {
		A string `log:" Secret "`
	}
	type list struct {
		Next *list
		M    map[string][]tagged
	}
	for v, want := range map[any]bool{tagged{}: true, &list{}: true, [1]tagged{}: true, node{}: false, 1: false} {
		if got := hasLogTags(reflect.TypeOf(v), map[reflect.Type]bool{}); got != want {
			t.Errorf("%T: %v", v, got)
		}
	}
}

func TestIsNumber(t *testing.T) {
	for _, s := range []string{
		"0", "-0", "1", "10.50", "1e5", "1E+5", "-1.5e-05", "", "-", "01", "1.", ".1",
		"1e", "1e+", "+1", "1x", "0x1", "1 ", "NaN", "1.5.5", "--1",
	} {
		if got, want := isNumber(s), json.Valid([]byte(s)) && strings.TrimSpace(s) == s; got != want {
			t.Errorf("isNumber(%q) = %v", s, got)
		}
	}
}

type every struct{ v slog.Value }

func (e every) LogValue() slog.Value { return e.v }

func TestSlogValueKinds(t *testing.T) {
	for want, v := range map[string]slog.Value{
		`"s"`:                    slog.StringValue("s"),
		`true`:                   slog.BoolValue(true),
		`-1`:                     slog.Int64Value(-1),
		`18446744073709551615`:   slog.Uint64Value(math.MaxUint64),
		`1.5`:                    slog.Float64Value(1.5),
		`"+Inf"`:                 slog.Float64Value(math.Inf(1)),
		`"1s"`:                   slog.DurationValue(time.Second),
		`"2026-01-02T00:00:00Z"`: slog.TimeValue(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)),
		`null`:                   slog.AnyValue((*ptrValuer)(nil)),
		`[1]`:                    slog.AnyValue([]int{1}),
		`{"a":[1]}`:              slog.GroupValue(slog.Any("a", []int{1})),
	} {
		if got := New(Options{}).JSON(every{v}).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMapKeys(t *testing.T) {
	long := strings.Repeat("é", 100)
	r := New(Options{})
	for want, v := range map[string]any{
		`{"1.5":1,"-2":1,"3":1,"false":1,"null":1}`:                                     map[any]int{1.5: 1, -2: 1, uint8(3): 1, false: 1, nil: 1},
		`{"` + strings.Repeat("é", 60) + `…":1,"` + strings.Repeat("é", 60) + `…#2":2}`: map[string]int{long + "a": 1, long + "b": 2},
		`{"` + strings.Repeat("é", 60) + `…":"[REDACTED]"}`:                             map[string]int{long + "_token": 1},
	} {
		got := r.JSON(v).String()
		if got != want && keys(t, []byte(got)) != keys(t, []byte(want)) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := r.JSON(struct{ X [200]struct{} }{}).String(); !json.Valid([]byte(got)) {
		t.Errorf("got %s", got)
	}
}
