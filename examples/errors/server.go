package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/notify"
)

type config struct {
	services  string        // URL of the services that the tasks call
	baseDelay time.Duration // before the first retry
	traceURL  string
	queue     int // 0: the runtime's default
}

// app is what the endpoints share.
type app struct {
	services
	chat      postlude.Notifier // where people are paged, Slack for example
	tracker   postlude.Notifier // where errors are collected, Sentry for example
	baseDelay time.Duration
}

// newServer makes the server and the runtime behind it.
func newServer(cfg config) (*http.Server, *postlude.Runtime, error) {
	rt, err := postlude.New(postlude.Config{
		Queue:    cfg.queue,
		TraceURL: cfg.traceURL,
		// Each curl is to page, so that it can be seen. In production leave this alone: a
		// thousand failures of one kind in a minute are one page then.
		EscalationWindow: -1,
	})
	if err != nil {
		return nil, nil, err
	}
	s := newServices(cfg.services)
	a := &app{
		services:  s,
		chat:      notify.Webhook{URL: s.url + "/chat", Timeout: 5 * time.Second},
		tracker:   tracker{s},
		baseDelay: cfg.baseDelay,
	}
	srv := &http.Server{Handler: otelhttp.NewHandler(rt.Middleware(a.routes()), "errors")}
	rt.Attach(srv) // tells the runtime when a response has been sent
	return srv, rt, nil
}

func (a *app) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("POST /fail", a.fail())
	mux.Handle("POST /custom-error", a.customError())
	mux.Handle("POST /monitored", a.monitored())
	mux.Handle("POST /retry", a.retry())
	mux.Handle("POST /email-fallback", a.emailFallback())
	mux.Handle("POST /critical", a.critical())
	mux.Handle("POST /smart-handling", a.smartHandling())
	mux.Handle("POST /global-handler", a.globalHandler())
	mux.Handle("POST /timing-errors", a.timingErrors())
	mux.Handle("POST /structured-logging", a.structuredLogging())
	return mux
}

// answer is all that the client learns: whether the tasks were taken on. How they fare
// is seen in records and traces, when the client has long gone.
func answer(w http.ResponseWriter, status string, errs ...error) {
	code, reply := http.StatusOK, map[string]string{"status": status}
	if err := errors.Join(errs...); err != nil { // the queue is full, for instance
		code, reply = http.StatusServiceUnavailable, map[string]string{"status": "busy", "reason": err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(reply) // fails if the client has gone: nobody to tell
}
