package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

// stubs stands in for the services of others, on a port of its own: /chat, /tracker,
// /mail/primary, /mail/backup, /payments, /warehouse and /operations. Each call is
// logged in a line, so that the terminal tells what came there.
type stubs struct {
	*http.Server
	url string

	mu    sync.Mutex
	calls map[string]int // by id
}

// answers is what a service says when it is asked to ?simulate= something. To a number it
// says 503 that many times for each id; to what is not here, 500.
var answers = map[string]int{
	"": http.StatusOK, "ok": http.StatusOK, "declined": http.StatusPaymentRequired,
	"permission": http.StatusForbidden, "validation": http.StatusUnprocessableEntity,
	"invalid": http.StatusUnprocessableEntity,
}

func startStubs() (*stubs, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &stubs{url: "http://" + l.Addr().String(), calls: map[string]int{}}
	s.Server = &http.Server{Handler: http.HandlerFunc(s.serve)}
	go func() { _ = s.Serve(l) }() // until Shutdown
	return s, nil
}

func (s *stubs) serve(w http.ResponseWriter, r *http.Request) {
	// The caller's trace, without a span of our own: the line is found by its id.
	ctx := otel.GetTextMapPropagator().Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id, _ := body["ID"].(string)
	code := s.decide(r.FormValue("simulate"), id)
	service := strings.Trim(r.URL.Path, "/")
	slog.InfoContext(ctx, "a service was called", "service", service, "answer", code, got(body))
	w.WriteHeader(code)
}

func (s *stubs) decide(simulate, id string) int {
	if n, err := strconv.Atoi(simulate); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.calls[id]++; s.calls[id] <= n {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	}
	if code, ok := answers[simulate]; ok {
		return code
	}
	return http.StatusInternalServerError
}

// got is what a line shows of a body: no card numbers, for example. An empty Attr is left out.
func got(body map[string]any) slog.Attr {
	var parts []string
	for _, key := range []string{"text", "task", "type", "message", "To", "Subject", "ID"} {
		if v, ok := body[key]; ok {
			parts = append(parts, fmt.Sprint(v))
		}
	}
	if len(parts) == 0 {
		return slog.Attr{}
	}
	return slog.String("got", strings.Join(parts, " | "))
}
