package sentrynotify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/getsentry/sentry-go"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
)

// errHeldBack stays an event's outcome if the SDK never made a request of it.
var errHeldBack = errors.New("the SDK held the event back: Sentry had asked for fewer events (429), or the event can't be encoded")

// route is the way of an event to Sentry. The SDK does the work; what it lacks is who
// waits for an event and whether it arrived.
//
// An event goes through the SDK by its id: Notify expects it, SendEvent finds whose it is
// and sends it with that context, in which RoundTrip finds where to note the outcome. All
// of it is on Notify's goroutine.
type route struct {
	*sentry.HTTPSyncTransport
	client   *http.Client
	expected sync.Map // sentry.EventID -> *delivery
}

// delivery is what became of an event.
type delivery struct {
	ctx context.Context
	err error
}

type deliveryKey struct{}

func newRoute(options sentry.ClientOptions) (*route, error) {
	client := new(http.Client)
	if options.HTTPClient != nil {
		*client = *options.HTTPClient
	}
	if client.Timeout == 0 {
		client.Timeout = maxWait // for events that nobody expects
	}
	base := client.Transport
	if base == nil {
		base = options.HTTPTransport
	}
	if base == nil {
		var err error
		if base, err = newTransport(options); err != nil {
			return nil, err
		}
	}
	// Nobody at Sentry reads trace headers, and baggage is none of its business.
	none := propagation.NewCompositeTextMapPropagator()
	client.Transport = observer{otelhttp.NewTransport(base, otelhttp.WithPropagators(none)), base}
	return &route{HTTPSyncTransport: sentry.NewHTTPSyncTransport(), client: client}, nil
}

// newTransport is the SDK's own default, which it does not let others have.
func newTransport(options sentry.ClientOptions) (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	proxy := options.HTTPSProxy
	if proxy == "" {
		proxy = options.HTTPProxy
	}
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil { // which may quote a password
			return nil, errors.New("sentrynotify: ClientOptions.HTTPSProxy or HTTPProxy is not a URL")
		}
		t.Proxy = http.ProxyURL(u)
	}
	if options.CaCerts != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: options.CaCerts, MinVersion: tls.VersionTLS12}
	}
	return t, nil
}

// expect has the event's outcome noted.
func (r *route) expect(ctx context.Context, e *sentry.Event) *delivery {
	d := &delivery{err: errHeldBack}
	d.ctx = context.WithValue(ctx, deliveryKey{}, d)
	r.expected.Store(e.EventID, d)
	return d
}

func (r *route) forget(e *sentry.Event) { r.expected.Delete(e.EventID) }

// SendEvent sends an event, and returns when it was answered or its context ended.
func (r *route) SendEvent(e *sentry.Event) {
	if d, ok := r.expected.Load(e.EventID); ok {
		r.SendEventWithContext(d.(*delivery).ctx, e)
		return
	}
	r.HTTPSyncTransport.SendEvent(e) // made by an integration of the user's
}

// observer notes the outcome of requests.
type observer struct {
	http.RoundTripper
	base http.RoundTripper
}

func (o observer) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := o.RoundTripper.RoundTrip(r)
	if d, ok := r.Context().Value(deliveryKey{}).(*delivery); ok {
		d.err = outcome(res, err)
	}
	return res, err
}

// CloseIdleConnections reaches through the instrumentation, which does not pass it on.
func (o observer) CloseIdleConnections() {
	if c, ok := o.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func outcome(res *http.Response, err error) error {
	if err != nil || res.StatusCode >= 200 && res.StatusCode < 300 {
		return err
	}
	text := fmt.Sprintf("Sentry answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))
	if why := strings.TrimSpace(res.Header.Get("X-Sentry-Error")); why != "" {
		text += fmt.Sprintf(": %q", cut(why, 200))
	}
	return errors.New(text)
}
