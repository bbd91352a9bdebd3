package render

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

type receipt struct {
	Order string `json:"order"`
	To    string
	Cents int64  `json:"cents,omitempty"`
	Raw   string `log:"-"`
	PIN   int
	Notes string `log:"secret"`
	Skip  string `json:"-"`
	lower string
}

type Base struct {
	ID   int
	Name string
}
type embeds struct {
	Base
	*inner
	Name string `json:"name2"`
}
type inner struct{ Deep string }

type (
	Credentials  struct{ User string }
	embedsMasked struct{ Credentials }
)

type valuer struct{ s string }

func (v valuer) LogValue() slog.Value { return slog.StringValue("<" + v.s[:1] + ">") }

type ptrValuer struct{ Password2, S string }

func (v *ptrValuer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("shown", "x"), slog.String("token", v.S))
}

type marshals struct{ v string }

func (m marshals) MarshalJSON() ([]byte, error) { return []byte(m.v), nil }

type taggedMarshaler struct {
	Number string `log:"secret"`
	Last4  string
}

func (m taggedMarshaler) MarshalJSON() ([]byte, error) {
	return []byte(`{"n":"` + m.Number + `"}`), nil
}

type text string

func (t text) MarshalText() ([]byte, error) { return []byte("text:" + string(t)), nil }

type node struct {
	V    int
	Next *node
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

var loop = func() *node { n := &node{V: 1}; n.Next = n; return n }()

func TestJSON(t *testing.T) {
	selfMap := map[string]any{}
	selfMap["self"] = selfMap
	selfSlice := make([]any, 1)
	selfSlice[0] = selfSlice
	var nilErr error
	tests := map[string]struct {
		v    any
		want string
	}{
		"nil":              {nil, `null`},
		"nil interface":    {struct{ E error }{nilErr}, `{"E":null}`},
		"typed nil":        {(*receipt)(nil), `null`},
		"nil valuer":       {(*ptrValuer)(nil), `null`},
		"struct":           {receipt{Order: "o-17", To: "a@b", Cents: 5, Raw: "r", PIN: 7, Notes: "n", Skip: "s", lower: "l"}, `{"order":"o-17","To":"a@b","cents":5,"PIN":"[REDACTED]","Notes":"[REDACTED]"}`},
		"embedded":         {embeds{Base: Base{1, "n"}, inner: &inner{"d"}, Name: "o"}, `{"ID":1,"Name":"n","Deep":"d","name2":"o"}`},
		"embedded nil":     {embeds{}, `{"ID":0,"Name":"","name2":""}`},
		"embedded masked":  {embedsMasked{Credentials{"u"}}, `{"Credentials":"[REDACTED]"}`},
		"anonymous secret": {struct{ Auth struct{ Token, User string } }{}, `{"Auth":{"Token":"[REDACTED]","User":""}}`},
		"unexported only":  {struct{ a int }{1}, `"(struct { a int })"`},
		"json name masked": {struct {
			X string `json:"api_key"`
		}{"k"}, `{"api_key":"[REDACTED]"}`},
		"go name masked": {struct {
			Password string `json:"p"`
		}{"k"}, `{"p":"[REDACTED]"}`},
		"numbers":            {[]any{int8(-1), uint64(math.MaxUint64), 1.5, float32(0.1), 1e30, math.NaN(), math.Inf(-1), true, 1 + 2i}, `[-1,18446744073709551615,1.5,0.1,1e+30,"NaN","-Inf",true,"(1+2i)"]`},
		"strings":            {[]string{"a\"\\\n\t\x01", "é\u2028", "\xff!"}, `["a\"\\\n\t\u0001","é\u2028","` + "\ufffd" + `!"]`},
		"bytes":              {[]any{[]byte("hunter2"), [4]byte{1}, json.RawMessage(`{"a":1,"pin":2}`)}, `["[7 bytes]","[4 bytes]",{"a":1,"pin":"[REDACTED]"}]`},
		"map sorted":         {map[string]int{"b": 2, "a": 1, "token": 3}, `{"a":1,"b":2,"token":"[REDACTED]"}`},
		"map keys":           {map[any]int{1: 1, "1": 1, true: 1}, `{"1":1,"1#2":1,"true":1}`},
		"map text keys":      {map[text]int{"k": 1}, `{"k":1}`},
		"map struct keys":    {map[inner]int{{"hunter2"}: 1}, `{"(render.inner)":1}`},
		"header":             {http.Header{"Authorization": {"hunter2"}, "Set-Cookie": {"hunter2"}, "Accept": {"x"}}, `{"Accept":["x"],"Authorization":"[REDACTED]","Set-Cookie":"[REDACTED]"}`},
		"valuer":             {map[string]any{"a": []any{valuer{"secret"}}}, `{"a":["<s>"]}`},
		"valuer in field":    {struct{ V valuer }{valuer{"hunter2"}}, `{"V":"<h>"}`},
		"pointer valuer":     {[]any{ptrValuer{S: "x"}, &ptrValuer{S: "x"}}, `[{"shown":"x","token":"[REDACTED]"},{"shown":"x","token":"[REDACTED]"}]`},
		"error":              {struct{ Err error }{errors.New("boom")}, `{"Err":"boom"}`},
		"time":               {[]any{time.Unix(0, 5).UTC(), 1500 * time.Millisecond}, `["1970-01-01T00:00:00.000000005Z","1.5s"]`},
		"url":                {[]any{mustURL("https://u:hunter2@h/p?a=1&access_token=hunter2#id_token=hunter2")}, `["https://u:xxxxx@h/p?a=1&access_token=[REDACTED]#id_token=[REDACTED]"]`},
		"marshaler":          {marshals{`{"z":1,"card":{"n":2},"l":[{"cvv":3}]}`}, `{"card":"[REDACTED]","l":[{"cvv":"[REDACTED]"}],"z":1}`},
		"bad marshaler":      {marshals{`{"a":`}, `"!ERROR: MarshalJSON of (render.marshals)"`},
		"tagged marshaler":   {taggedMarshaler{"hunter2", "4242"}, `{"Number":"[REDACTED]","Last4":"4242"}`},
		"text":               {text("x"), `"text:x"`},
		"request":            {[]any{&http.Request{}, http.Cookie{Value: "hunter2"}, context.Background(), &bytes.Buffer{}}, `["(*http.Request)","(http.Cookie)","(context.backgroundCtx)","(*bytes.Buffer)"]`},
		"func and chan":      {[]any{func(int) {}, make(chan string)}, `["(func(int))","(chan string)"]`},
		"cycle":              {loop, `{"V":1,"Next":"[cycle]"}`},
		"map cycle":          {selfMap, `{"self":"[cycle]"}`},
		"slice cycle":        {selfSlice, `["[cycle]"]`},
		"json.Number":        {[]any{json.Number("1.50"), json.Number("x")}, `[1.50,"x"]`},
		"slog group":         {slog.GroupValue(slog.Int("a", 1), slog.Group("", slog.Int("b", 2)), slog.Group("g"), slog.Any("cookie", 1), slog.Attr{}), `{"a":1,"b":2,"cookie":"[REDACTED]"}`},
		"slog attrs":         {[]slog.Attr{slog.Duration("d", time.Second), slog.Any("token", 1)}, `{"d":"1s","token":"[REDACTED]"}`},
		"rendered already":   {Of(`{"a":1}`), `{"a":1}`},
		"depth":              {[]any{[]any{[]any{[]any{[]any{[]any{[]any{[]any{[]any{1}}}}}}}}}, `[[[[[[[["…"]]]]]]]]`},
		"shared is no cycle": {[]*inner{{"a"}, {"a"}}, `[{"Deep":"a"},{"Deep":"a"}]`},
	}
	r := New(Options{})
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := r.JSON(tc.v).String()
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not valid JSON")
			}
			if strings.Contains(got, "hunter2") {
				t.Error("leaked")
			}
		})
	}
}

func TestJSONType(t *testing.T) {
	var buf bytes.Buffer
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("m", "args", Of(`{"a":1}`), "none", JSON{})
	if !strings.Contains(buf.String(), `"args":{"a":1},"none":null`) {
		t.Errorf("not embedded as a value: %s", buf.String())
	}
	if s := Of(`"x"`).String(); s != `"x"` {
		t.Errorf("String() = %s", s)
	}
}

func TestOptions(t *testing.T) {
	items := New(Options{MaxItems: 2})
	for _, tc := range []struct {
		got  JSON
		want string
	}{
		{items.JSON([]int{1, 2, 3, 4}), `[1,2,"… 2 more"]`},
		{items.JSON(map[string]int{"a": 1, "b": 2, "c": 3}), `{"a":1,"b":2,"…":"1 more"}`},
		{items.JSON(slog.GroupValue(slog.Int("a", 1), slog.Int("b", 2), slog.Int("c", 3))), `{"a":1,"b":2,"…":"1 more"}`},
		{New(Options{MaxDepth: 1}).JSON(receipt{}), `{"order":"","To":"","cents":0,"PIN":"[REDACTED]","Notes":"[REDACTED]"}`},
		{New(Options{MaxDepth: 1}).JSON([]any{[]int{1}}), `["…"]`},
		{New(Options{Names: []string{"customer no"}}).JSON(map[string]int{"customerNo": 1}), `{"customerNo":"[REDACTED]"}`},
		{New(Options{MaxLen: 64}).JSON(strings.Repeat("é", 90)), `"` + strings.Repeat("é", 5) + `…"`},
		{New(Options{}).JSON(make(map[int]int, 0)), `{}`},
	} {
		if tc.got.String() != tc.want {
			t.Errorf("got %s, want %s", tc.got, tc.want)
		}
	}
	big := map[int]int{}
	for i := range maxScan + 1 {
		big[i] = i
	}
	if got := New(Options{}).JSON(big).String(); got != `{"…":"4097 more"}` {
		t.Errorf("big map: %s", got)
	}
}

// Whatever the limit, the text is valid, within it, and says that it was cut.
func TestEveryLength(t *testing.T) {
	v := map[string]any{
		"a": []any{1, "two", 3.5, []string{"x", "y"}},
		"b": map[string]any{"password": "hunter2", "n": strings.Repeat("<é\n>", 50)},
		"c": receipt{Order: "o", Notes: "hunter2"},
		"d": []any{slog.GroupValue(slog.Int("i", 1), slog.String("token", "hunter2"))},
		"e": make([]int, 100),
	}
	full := New(Options{}).JSON(v).String()
	for n := minLen; n < len(full)+20; n++ {
		got := New(Options{MaxLen: n}).JSON(v).String()
		if !json.Valid([]byte(got)) || len(got) > n || strings.Contains(got, "hunter2") {
			t.Fatalf("MaxLen %d: %d bytes: %s", n, len(got), got)
		}
		if n < len(full) && !strings.Contains(got, ellipsis) {
			t.Fatalf("MaxLen %d: doesn't tell that it is cut: %s", n, got)
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	r := New(Options{})
	v := any(receipt{Order: "o-17", To: "ada@example.org", Cents: 1250, Notes: "n"})
	b.ReportAllocs()
	for b.Loop() {
		r.JSON(v)
	}
}

func BenchmarkJSONNested(b *testing.B) {
	r := New(Options{})
	v := any(map[string]any{"items": []receipt{{Order: "a"}, {Order: "b"}}, "at": time.Unix(0, 0), "token": "x"})
	b.ReportAllocs()
	for b.Loop() {
		r.JSON(v)
	}
}
