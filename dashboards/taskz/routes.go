package taskz

import (
	"net/http"
	"strings"
)

// route is one path. What a browser asks for there as text/html, it gets from page; the
// rest is JSON, or the type that is named.
type route struct {
	method string
	typ    string
	serve  http.HandlerFunc
	page   http.HandlerFunc // nil: there is no HTML
}

// table is all paths, relative to where the page is mounted.
func (h *Handler) table() http.Handler {
	const get, post = http.MethodGet, http.MethodPost
	mux := http.NewServeMux()
	for path, r := range map[string]route{
		"/{$}":                       {get, typeJSON, h.getState, getPage},
		"/events":                    {get, typeEvents, h.getEvents, nil},
		"/history":                   {get, typeJSON, h.getHistory, nil},
		"/failures/{id}":             {get, typeJSON, h.getFailure, openOnPage("failure")},
		"/dead-letters":              {get, typeJSON, h.getDeadLetters, openOnPage("")},
		"/dead-letters/{id}":         {get, typeJSON, h.getDeadLetter, openOnPage("letter")},
		"/tasks/{id}/cancel":         {post, typeJSON, h.act(actCancel), nil},
		"/tasks/{id}/retry":          {post, typeJSON, h.act(actRetryNow), nil},
		"/dead-letters/{id}/retry":   {post, typeJSON, h.act(actRetry), nil},
		"/dead-letters/{id}/discard": {post, typeJSON, h.act(actDiscard), nil},
	} {
		mux.Handle(path, r)
	}
	mux.HandleFunc("/assets/{name}", getAsset)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing at this path")
	})
	return mux
}

func (rt route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !allowed(w, r, rt.method) {
		return
	}
	offers := []string{rt.typ}
	if rt.page != nil {
		offers = append(offers, typeHTML)
		if r.URL.Path == "/" { // who accepts anything wants the page here, and JSON elsewhere
			offers = []string{typeHTML, rt.typ}
		}
	}
	w.Header().Add("Vary", "Accept")
	switch typ, ok := negotiate(r.Header.Values("Accept"), offers...); {
	case !ok:
		fail(w, http.StatusNotAcceptable, "Accept: this path has "+strings.Join(offers, " and "))
	case typ == typeHTML:
		rt.page(w, r)
	default:
		rt.serve(w, r)
	}
}

// allowed answers a request of another method.
func allowed(w http.ResponseWriter, r *http.Request, method string) bool {
	allow := method
	if method == http.MethodGet {
		allow = "GET, HEAD"
	}
	if r.Method == method || method == http.MethodGet && r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", allow)
	fail(w, http.StatusMethodNotAllowed, "use "+allow)
	return false
}

func (h *Handler) getState(w http.ResponseWriter, _ *http.Request) {
	writeBody(w, http.StatusOK, h.fresh().state.data("state"))
}
