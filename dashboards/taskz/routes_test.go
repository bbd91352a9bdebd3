package taskz

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	postlude "github.com/postlude/postlude/runtime"
)

func TestRoutes(t *testing.T) {
	h, _ := newPage(t, postlude.Config{}, Config{})
	const browser = "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, tc := range []struct {
		method, path, accept string
		code                 int
		typ                  string
	}{
		{"GET", "/", browser, 200, "text/html; charset=utf-8"},
		{"GET", "/", "*/*", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", "", 200, "text/html; charset=utf-8"},
		{"GET", "/", typeJSON, 200, typeJSON},
		{"HEAD", "/", typeJSON, 200, typeJSON},
		{"GET", "/", "image/png", 406, typeJSON},
		{"POST", "/", typeJSON, 405, typeJSON},
		{"GET", "/history", "*/*", 200, typeJSON},
		{"GET", "/history", "text/html", 406, typeJSON},
		{"GET", "/events", typeJSON, 406, typeJSON},
		{"HEAD", "/events", typeEvents, 200, typeEvents},
		{"GET", "/failures/x", typeJSON, 404, typeJSON},
		{"GET", "/failures/x", browser, 303, ""},
		{"GET", "/dead-letters", typeJSON, 404, typeJSON}, // no engine
		{"GET", "/tasks/x/cancel", typeJSON, 405, typeJSON},
		{"HEAD", "/tasks/x/cancel", typeJSON, 405, typeJSON},
		{"POST", "/tasks/x/cancel", "text/html", 406, typeJSON},
		{"POST", "/tasks/x/cancel", typeJSON, 403, typeJSON}, // no actions
		{"GET", "/nothing", browser, 404, typeJSON},
		{"GET", "/assets/app.js", "*/*", 200, "text/javascript; charset=utf-8"},
		{"GET", "/assets/index.html", "*/*", 404, typeJSON},
		{"GET", "/assets/none.js", "*/*", 404, typeJSON},
		{"POST", "/assets/app.js", "*/*", 405, typeJSON},
	} {
		w := request(h, tc.method, tc.path, "Accept", tc.accept)
		if w.Code != tc.code || w.Header().Get("Content-Type") != tc.typ {
			t.Errorf("%s %s as %q: %d, %q", tc.method, tc.path, tc.accept, w.Code, w.Header().Get("Content-Type"))
		}
		for name, value := range headers {
			if got := w.Header().Get(name); got != value && (name != "Cache-Control" || got != "no-cache" || tc.code != 200) {
				t.Errorf("%s %s: %s is %q", tc.method, tc.path, name, got)
			}
		}
		if vary := w.Header().Get("Vary"); tc.code != 405 && !strings.Contains(tc.path, "asset") && tc.path != "/nothing" && vary != "Accept" {
			t.Errorf("%s %s: Vary is %q", tc.method, tc.path, vary)
		}
		var e errorJSON
		if tc.code >= 400 && (json.Unmarshal(w.Body.Bytes(), &e) != nil || e.Error.Status != tc.code || e.Error.Message == "") {
			t.Errorf("%s %s: %s", tc.method, tc.path, w.Body)
		}
		if tc.code == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: which methods are allowed?", tc.method, tc.path)
		}
	}
}

// TestContentSecurityPolicy: what would let anything else in than our own files.
func TestContentSecurityPolicy(t *testing.T) {
	policy := headers["Content-Security-Policy"]
	for _, must := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, must) {
			t.Errorf("%s is missing", must)
		}
	}
	for _, not := range []string{"unsafe", "*", "http:", "https:", "data:", "blob:"} {
		if strings.Contains(policy, not) {
			t.Errorf("%s is allowed", not)
		}
	}
}

var reference = regexp.MustCompile(`(?:src|href)="([^"#]+)"|from '([^']+)'|url\(([^)]+)\)`)

// TestAssetsAreOurs: what the page asks for is embedded, and nothing of it is elsewhere;
// nothing in it needs more than the policy allows.
func TestAssetsAreOurs(t *testing.T) {
	found := 0
	for name, a := range assets {
		folder := "assets"
		if name == pageFile {
			folder = "."
		}
		for _, m := range reference.FindAllStringSubmatch(string(a.data), -1) {
			found++
			target := path.Join(folder, m[1]+m[2]+m[3])
			if _, ok := assets[strings.TrimPrefix(target, "assets/")]; !ok || !strings.HasPrefix(target, "assets/") {
				t.Errorf("%s asks for %s, which is not there", name, target)
			}
		}
		for _, not := range []string{"innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "new Function", " style=", "<style", " onclick=", "@import"} {
			if strings.Contains(string(a.data), not) {
				t.Errorf("%s has %s", name, not)
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d references were looked up", found)
	}
}

// TestMounted: under a prefix, at the root, and without the slash at the end.
func TestMounted(t *testing.T) {
	h, _ := newPage(t, postlude.Config{}, Config{Title: "shop"})
	mux := http.NewServeMux()
	mux.Handle("/admin/tasks/", http.StripPrefix("/admin/tasks", h))
	mux.Handle("/admin/tasks", http.StripPrefix("/admin/tasks", h))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	client := srv.Client()
	for _, tc := range []struct{ from, to string }{
		{"/admin/tasks", "/admin/tasks/#"},
		{"/admin/tasks/failures/a%2Fb?x=1", "/admin/tasks/#open=failure:a/b"},
		{"/admin/tasks/dead-letters", "/admin/tasks/#tab=durable"},
	} {
		r, _ := http.NewRequest("GET", srv.URL+tc.from, nil)
		r.Header.Set("Accept", "text/html")
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Request.URL.Path + "#" + res.Request.URL.Fragment; got != tc.to {
			t.Errorf("%s leads to %s, want %s", tc.from, got, tc.to)
		}
	}
	if s := get[state](t, h, "/"); s.Title != "shop" || s.Actions || s.Tasks == nil || s.Durable != nil {
		t.Errorf("%+v", s)
	}
}

// TestAssetsAreRevalidated: a browser's copy is used as long as it is the current one.
func TestAssetsAreRevalidated(t *testing.T) {
	h, _ := newPage(t, postlude.Config{}, Config{})
	tag := request(h, "GET", "/assets/app.js").Header().Get("ETag")
	if w := request(h, "GET", "/assets/app.js", "If-None-Match", tag); tag == "" || w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("tag %s: %d, %d bytes", tag, w.Code, w.Body.Len())
	}
	if w := request(h, "GET", "/assets/app.js", "If-None-Match", `"old"`); w.Code != http.StatusOK {
		t.Error(w.Code)
	}
}
