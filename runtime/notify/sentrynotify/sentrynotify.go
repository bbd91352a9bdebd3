// Package sentrynotify has a notifier for postlude.Escalate and postlude.EscalateTo that
// reports to Sentry. It is a module of its own, so that nobody else needs Sentry's SDK.
//
//	tell, err := sentrynotify.New(sentry.ClientOptions{Dsn: dsn, Release: version})
//	if err != nil { ... }
//	defer tell.Close() // after Runtime.Shutdown
//	rt, err := postlude.New(postlude.Config{
//		Defaults: []postlude.Option{postlude.OnError(postlude.Escalate(tell))},
//	})
package sentrynotify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/getsentry/sentry-go"

	postlude "github.com/postlude/postlude/runtime"
)

// maxWait is how long Notify waits for Sentry, if its context lets it.
const maxWait = 10 * time.Second

// Notifier is a postlude.Notifier that sends one event to Sentry for each escalation. It
// is made by New, is safe for concurrent use, and is ended by Close.
type Notifier struct {
	hub   *sentry.Hub // cloned for each event, never changed
	route *route
}

// New makes a Notifier that sends by options, which may be those of sentry.Init. It has a
// client of its own and neither reads nor changes Sentry's global hub.
//
// Some options are not for it to have. Transport must be nil: the SDK's do not tell
// whether an event arrived, so the Notifier brings its own, which uses HTTPClient or
// HTTPTransport if they are set. SampleRate is ignored: the runtime sends one event for
// each kind of failure and Config.EscalationWindow already, and chance must not take that.
// BeforeSend, IgnoreErrors and Integrations apply.
//
// The error tells what is wrong with options. A DSN is necessary, here or in SENTRY_DSN: a
// program that has none in development leaves the Notifier out.
func New(options sentry.ClientOptions) (*Notifier, error) {
	if options.Dsn == "" {
		options.Dsn = os.Getenv("SENTRY_DSN")
	}
	switch _, err := url.Parse(options.Dsn); {
	case options.Dsn == "":
		return nil, errors.New("sentrynotify: no DSN, neither in ClientOptions.Dsn nor in SENTRY_DSN")
	case err != nil: // which quotes what it was given
		return nil, errors.New("sentrynotify: ClientOptions.Dsn is not a URL")
	case options.Transport != nil:
		return nil, errors.New("sentrynotify: ClientOptions.Transport must be nil: use HTTPClient or HTTPTransport")
	}
	route, err := newRoute(options)
	if err != nil {
		return nil, err
	}
	options.Transport, options.HTTPClient = route, route.client
	options.SampleRate = 1
	options.DisableTelemetryBuffer = true // events are sent by who captures them, within Notify
	options.DisableClientReports = true   // Notify reports
	client, err := sentry.NewClient(options)
	if err != nil {
		return nil, fmt.Errorf("sentrynotify: %w", err)
	}
	return &Notifier{hub: sentry.NewHub(client, sentry.NewScope()), route: route}, nil
}

// Notify sends an event about f and blocks until Sentry has answered, at most until ctx
// ends or for 10 s. The error tells why the event did not arrive, as far as the SDK lets
// it be known. An event that the options discard, by BeforeSend or IgnoreErrors, is none.
//
// The event has the chain of errors with the error type as its title, the stack of a panic,
// tags (task.name, task.timing, task.attempt, task.outcome, error.type), the failed
// attempt's trace and span id, and a context "task" with function, redacted arguments and
// all attempts. Sentry makes one issue of the events of a task name and error type.
func (n *Notifier) Notify(ctx context.Context, f *postlude.Failure) error {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	hub := n.hub.Clone()
	if sc := f.SpanContext; sc.IsValid() {
		hub.Scope().SetPropagationContext(sentry.PropagationContext{
			TraceID: sentry.TraceID(sc.TraceID()), SpanID: sentry.SpanID(sc.SpanID()),
		})
	}
	event := eventOf(f, hub.Client().Options().MaxErrorDepth)
	sent := n.route.expect(ctx, event)
	defer n.route.forget(event)
	if hub.CaptureEventWithHint(event, &sentry.EventHint{OriginalException: f.Err, Context: ctx}) == nil {
		return nil // on purpose
	}
	if sent.err != nil {
		return fmt.Errorf("sentrynotify: %w", sent.err)
	}
	return nil
}

// Close releases the goroutines and idle connections of the Notifier. Notify must not be
// called any more: shut the runtime down first.
func (n *Notifier) Close() {
	n.hub.Client().Close()
	n.route.client.CloseIdleConnections()
}
