package taskz_test

import (
	"errors"
	"net/http"

	"github.com/postlude/postlude/dashboards/taskz"
	postlude "github.com/postlude/postlude/runtime"
)

// operator is who the login in front of the page says it is.
func operator(r *http.Request) (string, error) {
	who := r.Header.Get("X-Forwarded-User")
	if who == "" {
		return "", errors.New("sign in first")
	}
	return who, nil
}

// An admin server has the page on a port of its own, which only operators reach. Shutdown
// of the server ends the streams of open pages.
func Example() {
	rt, err := postlude.New(postlude.Config{TraceURL: "http://jaeger:16686/trace/{trace_id}"})
	if err != nil {
		panic(err)
	}
	page := taskz.New(rt, taskz.Config{Title: "shop", Authorize: operator}) // without Authorize, it only looks
	admin := &http.Server{Addr: "127.0.0.1:9090", Handler: page}
	admin.RegisterOnShutdown(page.Close)
	go func() { _ = admin.ListenAndServe() }() // until Shutdown
}
