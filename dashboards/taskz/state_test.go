package taskz

import (
	"context"
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// TestState: what runs, what waits, what failed, with the figures of each.
func TestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, harness := newPage(t, postlude.Config{Workers: 2, Queue: 10}, Config{Title: "shop", SpansDropped: func() uint64 { return 7 }})
		block := make(chan struct{})
		slow := postlude.Func("slow", func(context.Context) error { <-block; return nil })
		flaky := postlude.Func("flaky", func(context.Context) error { return errBoom })
		schedule := func(j postlude.Job, opts ...postlude.Option) postlude.Run {
			r, err := postlude.Go(harness.Context(), j, opts...)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return r
		}
		waits := schedule(flaky, postlude.OnError(postlude.Retry{Max: 1, Base: time.Minute}))
		runs := schedule(slow, postlude.Shield(true))
		schedule(slow)
		schedule(slow)
		time.Sleep(2 * time.Second)

		s := get[state](t, h, "/")
		if s.Fill != (fill{Workers: 2, WorkersMax: 2, Slots: 4, SlotsMax: 10, OldestWaitMS: 2000}) || s.Closing || s.Title != "shop" || s.SpansLost != 7 || s.WindowMS != 2000 {
			t.Errorf("%+v", s)
		}
		if c := s.Overall.Counts; c.Running != 2 || c.Pending != 1 || c.Retrying != 1 || c.Scheduled != 4 {
			t.Errorf("%+v", c)
		}
		if r := s.Running[0]; len(s.Running) != 2 || r.ID != runs.ID() || !r.Shield || r.Timing != "immediate" || *r.AgeMS != 2000 || r.Due != nil || r.State != "running" {
			t.Errorf("%+v", s.Running)
		}
		if b := s.Backoff[0]; len(s.Backoff) != 1 || b.ID != waits.ID() || *b.DueInMS != 58e3 || b.Since != nil || b.Message != "boom" || b.Attempt != 1 {
			t.Errorf("%+v", s.Backoff)
		}
		close(block)
		waits.RetryNow()
		harness.Settle()
		time.Sleep(2 * tick)
		s = get[state](t, h, "/")
		if f := s.Failures[0]; len(s.Failures) != 1 || f.ID != waits.ID() || f.State != "failed" || f.Attempts != 2 || f.Message != "boom" || f.Kind != "error" {
			t.Errorf("%+v", s.Failures)
		}
	})
}

// TestFailureDetail: all that is known, and arguments whose numbers are not rounded.
func TestFailureDetail(t *testing.T) {
	h, harness := newPage(t, postlude.Config{TraceURL: "https://jaeger/trace/{trace_id}"}, Config{})
	type args struct {
		Account  int64
		Password string
	}
	charge := postlude.Define("charge", func(context.Context, args) error { panic("no such card") })
	id := settle(t, harness, charge.With(args{9007199254740993, "hunter2"})).ID()
	d := get[failureDetail](t, h, "/failures/"+id)
	if d.Args != "{\n  \"Account\": 9007199254740993,\n  \"Password\": \"[REDACTED]\"\n}" {
		t.Error(d.Args)
	}
	if d.Kind != "panic" || !strings.Contains(d.Stack, "taskz.TestFailureDetail") || len(d.History) != 1 || d.History[0].TraceID != d.TraceID ||
		d.TraceURL != "https://jaeger/trace/"+d.TraceID || len(d.SpanID) != 16 || d.Attempts != 1 || !strings.Contains(d.Func, "TestFailureDetail") {
		t.Errorf("%+v", d)
	}
}

// TestHostileTexts: JSON stays JSON and text stays text, whatever a task is called.
func TestHostileTexts(t *testing.T) {
	for _, text := range []string{
		"</script><script>alert(1)</script>", "\u2028\u2029\x00\x1b[31m", "event: state\n\ndata: {}\n\n", `"}],"x":[{"`, "ш€𝄞\u202e", strings.Repeat("a", 5000),
	} {
		h, harness := newPage(t, postlude.Config{TraceURL: "javascript:alert(1)//{trace_id}"}, Config{Title: text})
		id := settle(t, harness, postlude.Define(text, func(context.Context, string) error { return errors.New(text + "\xff") }).With(text)).ID()
		s := get[state](t, h, "/")
		d := get[failureDetail](t, h, "/failures/"+id)
		if s.Title != text || s.Tasks[0].Name != shortName(text) || d.Name != shortName(text) || !strings.HasPrefix(d.Message, text[:min(len(text), 1000)]) {
			t.Errorf("%q: %+v", text, s.Tasks[0].Name)
		}
		if s.Failures[0].TraceURL+d.TraceURL != "" {
			t.Errorf("a link to %s", d.TraceURL)
		}
		e := newEvent("state", s)
		if n := strings.Count(string(e), "\n"); n != 3 || strings.Contains(string(e), "<script") {
			t.Errorf("%q: %d lines: %s", text, n, e)
		}
	}
}

func TestWebURL(t *testing.T) {
	for text, want := range map[string]bool{
		"http://jaeger:16686/trace/1": true, "https://x/": true, "HTTPS://x/": true,
		"": false, "javascript:alert(1)": false, "data:text/html,x": false, "//x/": false, "/trace": false,
		" javascript:alert(1)": false, "java\nscript://x": false, "ftp://x/": false, "http:": false, "http://%zz": false,
	} {
		if got := webURL(text); (got == text && text != "") != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// TestDocumentation: each field of the JSON is in the documentation.
func TestDocumentation(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	for _, v := range []any{state{}, historyJSON{}, pointJSON{}, failureDetail{}, lettersJSON{}, letterDetail{}, errorJSON{}, resultJSON{}} {
		eachField(reflect.TypeOf(v), seen, func(name string) {
			if !regexp.MustCompile(`\b` + name + `\b`).Match(doc) {
				t.Errorf("doc.go does not tell of %s", name)
			}
		})
	}
	if len(seen) < 15 {
		t.Errorf("only %d types were looked up", len(seen))
	}
}

func eachField(t reflect.Type, seen map[reflect.Type]bool, visit func(string)) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		eachField(t.Elem(), seen, visit)
	case reflect.Struct:
		if seen[t] || t == reflect.TypeFor[time.Time]() {
			return
		}
		seen[t] = true
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" {
				visit(name)
			}
			eachField(f.Type, seen, visit)
		}
	}
}
