package jaeger

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

// load reads the answer of testdata, through the client, and breaks it.
func load(t *testing.T, change func(*Trace)) Trace {
	t.Helper()
	body, err := os.ReadFile("testdata/retry.json")
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }))
	defer srv.Close()
	found, err := client(srv).Search(t.Context(), "errors", map[string]string{"task.name": "flaky_task"})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d traces, %v", len(found), err)
	}
	change(&found[0])
	return found[0]
}

func client(srv *httptest.Server) Client {
	return Client{URL: srv.URL + "/", HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

func TestCheckAcceptsWhatIsRight(t *testing.T) {
	if err := Check(load(t, func(*Trace) {}), "POST /retry", "flaky_task", 2); err != nil {
		t.Error(err)
	}
}

// Indexes of the spans in testdata/retry.json.
const (
	request = iota
	first
	second
)

// TestCheckFinds: each thing that may be wrong is found, and only that.
func TestCheckFinds(t *testing.T) {
	for want, change := range map[string]func(*Trace){
		`warning: 1 span is missing`: func(t *Trace) { t.Warnings = []string{"1 span is missing"} },
		`warning of span "run flaky_task": clock skew`: func(t *Trace) {
			t.Spans[first].Warnings = []string{"clock skew adjustment disabled; not applying calculated delta of -7ms"}
		},
		`refers to its parent as "CHILD_OF"`:         func(t *Trace) { t.Spans[first].References[0].Type = ChildOf },
		`the parent of span "run flaky_task" is not`: func(t *Trace) { t.Spans[first].References[0].Span = "00000000000000ff" },
		`does not follow from the one before`:        func(t *Trace) { t.Spans[second].References = t.Spans[second].References[:1] },
		`1 spans are named "run flaky_task", not 2`:  func(t *Trace) { t.Spans = t.Spans[:second] },
		`the roots are ["GET /"], not "POST /retry"`: func(t *Trace) { t.Spans[request].Name = "GET /" },
		`task.attempt of span "run flaky_task" is "string"`: func(t *Trace) {
			tagOf(&t.Spans[first], "task.attempt").Type = "string"
		},
		`is of the kind internal`:    func(t *Trace) { tagOf(&t.Spans[second], "span.kind").Value = "internal" },
		`its tag error is false`:     func(t *Trace) { tagOf(&t.Spans[first], "error").Value = false },
		`has no log of an exception`: func(t *Trace) { t.Spans[first].Logs = nil },
	} {
		err := Check(load(t, change), "POST /retry", "flaky_task", 2)
		if err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("found %v, not %q", err, want)
		}
	}
	noHost := load(t, func(t *Trace) { t.Processes = nil })
	if err := Check(noHost, "POST /retry", "flaky_task", 2); err == nil || strings.Count(err.Error(), "no host.name") != 3 {
		t.Errorf("found %v", err)
	}
}

func tagOf(s *Span, key string) *Tag {
	return &s.Tags[slices.IndexFunc(s.Tags, func(t Tag) bool { return t.Key == key })]
}

// TestSearchFails: what is no good answer is an error, not an empty one.
func TestSearchFails(t *testing.T) {
	for body, want := range map[string]string{
		`{"data":null,"errors":[{"code":400,"msg":"malformed 'tags' parameter"}]}`: "malformed 'tags'",
		`<!doctype html>`: "invalid character",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
		if _, err := client(srv).Search(t.Context(), "errors", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
		srv.Close()
	}
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	if _, err := client(srv).Search(t.Context(), "errors", nil); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("404: %v", err)
	}
}

// TestSearchAsks: Jaeger is asked for what is wanted.
func TestSearchAsks(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.FormValue("service") + " " + r.FormValue("tags")
		_ = json.NewEncoder(w).Encode(map[string]any{"data": []any{}})
	}))
	defer srv.Close()
	if _, err := client(srv).Search(t.Context(), "shop", map[string]string{"task.name": "a \"b\""}); err != nil || got != `shop {"task.name":"a \"b\""}` {
		t.Errorf("asked for %s, %v", got, err)
	}
}
