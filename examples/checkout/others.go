package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

// others stands in for the services of other people: a mail server, a sender of text
// messages, and the chat where people are told what nobody handled.
type others struct {
	log *slog.Logger

	mu   sync.Mutex
	chat []said // the last ones
}

type said struct {
	Time time.Time
	Text string
}

const keptMessages = 20

func (o *others) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mail", o.send("mail", 30*time.Millisecond, false))
	mux.HandleFunc("POST /sms", o.send("sms", 10*time.Millisecond, true))
	mux.HandleFunc("POST /chat", o.listen)
	return mux
}

// send sends nothing, and says so in a line. Its context has the caller's trace and
// baggage, without a span of its own: other people's services are not ours to trace.
func (o *others) send(name string, takes time.Duration, fallback bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(otel.GetTextMapPropagator().Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
		var m message
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if pause(r.Context(), takes) != nil {
			return
		}
		if fails(r, "mail", fallback) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		o.log.LogAttrs(r.Context(), slog.LevelInfo, name+" sent", slog.String("service.name", name),
			slog.String("to", m.To), slog.String("subject", m.Subject), slog.String("order", m.Order))
	}
}

// listen is the webhook of the chat, as Slack's.
func (o *others) listen(w http.ResponseWriter, r *http.Request) {
	var body struct{ Text string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.chat = append(o.chat, said{time.Now(), body.Text})
	o.chat = o.chat[max(0, len(o.chat)-keptMessages):]
}

// messages are the last ones, the newest first.
func (o *others) messages() []said {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := slices.Clone(o.chat)
	slices.Reverse(list)
	return list
}
