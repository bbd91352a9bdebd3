package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/postlude/postlude/dashboards/taskz"
	postlude "github.com/postlude/postlude/runtime"
)

// livePage shows the runtime's tasks. If somebody may act on them, the page is theirs
// alone: the browser asks who they are when they open it.
func livePage(rt *postlude.Runtime, lost func() uint64, log *slog.Logger, actions string) (page http.Handler, closePage func()) {
	if actions == "" {
		live := taskz.New(rt, taskz.Config{Title: "Checkout", Logger: log, SpansDropped: lost})
		return live, live.Close
	}
	authorize := operator(actions)
	live := taskz.New(rt, taskz.Config{Title: "Checkout", Logger: log, SpansDropped: lost, Authorize: authorize})
	return protect(live, authorize), live.Close
}

// operator recognises the one who may act, by user:password.
func operator(actions string) func(*http.Request) (who string, err error) {
	user, password, _ := strings.Cut(actions, ":")
	// Hashes have one length, so that comparing them takes the same time whatever was given.
	same := func(a, b string) int {
		x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
		return subtle.ConstantTimeCompare(x[:], y[:])
	}
	return func(r *http.Request) (string, error) {
		u, p, _ := r.BasicAuth()
		if same(u, user)&same(p, password) != 1 {
			return "", errors.New("only the operator may do that")
		}
		return user, nil
	}
}

func protect(h http.Handler, authorize func(*http.Request) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := authorize(r); err != nil {
			w.Header().Set("WWW-Authenticate", `Basic realm="tasks", charset="UTF-8"`)
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
