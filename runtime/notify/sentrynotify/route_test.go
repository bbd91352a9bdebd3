package sentrynotify

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/getsentry/sentry-go"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

func TestNotDelivered(t *testing.T) {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Sentry-Error", "quota")
			w.WriteHeader(status)
		}
	}
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		down   bool
		want   []string // the error of each call
		is     error
	}{
		{name: "fine", want: []string{""}},
		{name: "500", answer: answer(500), want: []string{`sentrynotify: Sentry answered 500 Internal Server Error: "quota"`}},
		{name: "413", answer: answer(413), want: []string{"413 Request Entity Too Large"}},
		{name: "304", answer: answer(304), want: []string{"304 Not Modified"}},
		{name: "429, and then the SDK waits", answer: answer(429), want: []string{"429 Too Many Requests", "held the event back"}},
		{name: "down", down: true, want: []string{"connection refused"}, is: syscall.ECONNREFUSED},
		{
			name: "hangs", answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
			want: []string{"context deadline exceeded"}, is: context.DeadlineExceeded,
		},
		{name: "hangs up", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: []string{"EOF"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, c.answer)
			n := s.notifier(t, sentry.ClientOptions{})
			if c.down {
				s.Close()
			}
			for _, want := range c.want {
				ctx, cancel := context.WithTimeout(background, 200*time.Millisecond)
				if c.is != context.DeadlineExceeded {
					ctx = background
				}
				began := time.Now()
				err := n.Notify(ctx, &postlude.Failure{Err: errRoute})
				cancel()
				if took := time.Since(began); took > maxWait/2 {
					t.Errorf("it took %v", took)
				}
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("got %v, want %s", err, want)
				}
				if err != nil && strings.Contains(err.Error(), "key@") {
					t.Errorf("the DSN is in %v", err)
				}
			}
		})
	}
}

// The runtime counts and reports an event that did not arrive, and the task ends.
func TestNotDeliveredInARuntime(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	h := postludetest.New(t, postlude.Config{})
	run(t, h, sendReceipt.With(receipt{Password: password}), postlude.OnError(postlude.Escalate(s.notifier(t, sentry.ClientOptions{}))))
	records := h.Records(taskconv.EventHandlerFailed)
	if len(records) != 1 || !strings.Contains(records[0][taskconv.ExceptionMessage].(string), "Sentry answered 503") {
		t.Errorf("records: %v", records)
	}
	if len(h.Records(taskconv.EventFailed)) != 1 || len(h.Records(taskconv.EventEscalated)) != 0 {
		t.Errorf("records: %v", h.Records(""))
	}
}

// What the options discard is not sent, and no failure.
func TestDiscarded(t *testing.T) {
	for name, options := range map[string]sentry.ClientOptions{
		"BeforeSend":   {BeforeSend: func(*sentry.Event, *sentry.EventHint) *sentry.Event { return nil }},
		"IgnoreErrors": {IgnoreErrors: []string{"no route"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, nil)
			if err := s.notifier(t, options).Notify(background, &postlude.Failure{Err: errRoute}); err != nil || s.count() != 0 {
				t.Errorf("%v, %d sent", err, s.count())
			}
		})
	}
}

// An integration may capture events of its own; they go their way.
func TestForeignEvents(t *testing.T) {
	s := newServer(t, nil)
	n := s.notifier(t, sentry.ClientOptions{})
	n.hub.Clone().CaptureMessage("hello")
	if s.count() != 1 {
		t.Errorf("%d sent", s.count())
	}
}

func TestTransportsOfTheUser(t *testing.T) {
	for _, set := range []func(*sentry.ClientOptions, http.RoundTripper){
		func(o *sentry.ClientOptions, rt http.RoundTripper) { o.HTTPTransport = rt },
		func(o *sentry.ClientOptions, rt http.RoundTripper) { o.HTTPClient = &http.Client{Transport: rt} },
	} {
		s, calls := newServer(t, nil), 0
		base := new(http.Transport)
		defer base.CloseIdleConnections()
		var options sentry.ClientOptions
		set(&options, roundTripper(func(r *http.Request) (*http.Response, error) {
			calls++
			if r.Header.Get("Traceparent") != "" || r.Header.Get("Baggage") != "" {
				t.Errorf("header: %v", r.Header)
			}
			return base.RoundTrip(r)
		}))
		if err := s.notifier(t, options).Notify(background, &postlude.Failure{Err: errRoute}); err != nil || calls != 1 {
			t.Errorf("%v, %d calls", err, calls)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return rt(r) }

func TestProxyAndCertificates(t *testing.T) {
	proxy := newServer(t, nil)
	pool := x509.NewCertPool()
	n, err := New(sentry.ClientOptions{Dsn: "http://key@sentry.invalid/1", HTTPProxy: proxy.URL, CaCerts: pool})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Notify(background, &postlude.Failure{Err: errRoute}); err != nil || proxy.count() != 1 {
		t.Errorf("%v, %d through the proxy", err, proxy.count())
	}
	base := n.route.client.Transport.(observer).base.(*http.Transport)
	if base.TLSClientConfig.RootCAs != pool {
		t.Error("CaCerts are not used")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Setenv("SENTRY_DSN", "")
	for _, c := range []struct {
		name    string
		options sentry.ClientOptions
		want    string
	}{
		{"no DSN", sentry.ClientOptions{}, "no DSN"},
		{"no URL", sentry.ClientOptions{Dsn: "http://" + password + "@x/%zz"}, "not a URL"},
		{"no key", sentry.ClientOptions{Dsn: "http://x/1"}, "empty username"},
		{"a transport", sentry.ClientOptions{Dsn: "http://k@x/1", Transport: &sentry.MockTransport{}}, "Transport must be nil"},
		{"a bad proxy", sentry.ClientOptions{Dsn: "http://k@x/1", HTTPProxy: "http://u:" + password + "@x/%zz"}, "HTTPProxy is not a URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), password) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestNewReadsTheEnvironment(t *testing.T) {
	s := newServer(t, nil)
	t.Setenv("SENTRY_DSN", s.dsn())
	n, err := New(sentry.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.Notify(background, &postlude.Failure{Err: errRoute}); err != nil || s.count() != 1 {
		t.Errorf("%v, %d sent", err, s.count())
	}
}
