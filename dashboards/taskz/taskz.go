package taskz

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// Config describes a page. The zero Config is one that looks and does not touch.
type Config struct {
	// Title is the heading of the page, and of its browser tab: the service's name, say.
	// "": "Tasks".
	Title string
	// Authorize lets a request act on tasks: cancel, retry now, discard. It returns who it
	// is, for the record of the action, or an error, whose text the page shows to that
	// person, with status 403. It is called for actions only: who may look is decided
	// before a request comes here. nil: the page has no actions.
	Authorize func(r *http.Request) (who string, err error)
	// SpansDropped tells how many spans were lost on their way to the back end: SpansDropped
	// of otelsetup's SDK. The page warns of them, as their traces can't be found. nil: it does
	// not know. It is called once a second while somebody looks, and must not block.
	SpansDropped func() uint64
	// Logger takes the records of actions. nil: slog.Default() at the time of New.
	Logger *slog.Logger
}

// Handler is the page, and the JSON of the same paths. It is safe for concurrent use.
type Handler struct {
	rt      *postlude.Runtime
	cfg     Config
	routes  http.Handler
	protect *http.CrossOriginProtection
	ctx     context.Context // of what the handler asks on its own; ends with Close
	cancel  context.CancelFunc
	sampled chan struct{} // closed when the sampler has ended

	viewers atomic.Int64 // open streams

	mu      sync.Mutex
	history *history
	latest  *sample // nil: none yet
	durable durableState
	asking  bool // the engine, in a goroutine
}

// New makes the page of a runtime. It starts a goroutine, which samples the runtime every
// five seconds, and every second while somebody looks; Close ends it.
func New(rt *postlude.Runtime, cfg Config) *Handler {
	if rt == nil {
		panic("taskz: New needs a Runtime, and was given nil")
	}
	if cfg.Title == "" {
		cfg.Title = "Tasks"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	h := &Handler{rt: rt, cfg: cfg, protect: http.NewCrossOriginProtection(), sampled: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.history = newHistory(rt.Snapshot())
	h.routes = h.table()
	go h.sampling()
	return h
}

// Close ends the sampling and all open streams, and returns when the sampling has ended.
// http.Server.Shutdown waits for open requests, and a stream is one that does not end on
// its own: register it with srv.RegisterOnShutdown(page.Close). It may be called again.
// Afterwards the page is answered still; its streams are not.
func (h *Handler) Close() {
	h.cancel()
	<-h.sampled
}

// ServeHTTP answers with the page, its assets, JSON, a stream, or the result of an action.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	if r.URL.Path == "" { // mounted without a slash at the end, which relative URLs need
		redirect(w, lastSegment(r)+"/")
		return
	}
	h.routes.ServeHTTP(w, r)
}

// headers are those of every response. The page loads from its own origin only, and has
// no inline scripts or styles; what is not allowed can't be injected.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
		"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-store",
}

// The pace of what the handler does on its own.
const (
	tick    = time.Second      // between two states, while somebody looks
	asktime = 2 * time.Second  // that the engine gets to tell of its queues
	askpace = 5 * time.Second  // between two questions to the engine
	actTime = 10 * time.Second // that the engine gets for an action
)
