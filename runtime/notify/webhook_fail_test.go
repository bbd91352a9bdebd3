package notify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/notify"
	"github.com/postlude/postlude/runtime/postludetest"
	"github.com/postlude/postlude/runtime/taskconv"
)

// Whatever becomes of the call, the task ends, the failure is reported, and the URL is not.
func TestWebhookFailures(t *testing.T) {
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://"+r.Host+"/elsewhere")
			w.WriteHeader(status)
			fmt.Fprintf(w, "no such hook:\n%s and %s\x00", r.RequestURI, secret)
		}
	}
	for _, c := range []struct {
		name    string
		answer  http.HandlerFunc
		timeout time.Duration
		client  *http.Client
		want    string
		is      error
	}{
		{name: "500", answer: echo(500), want: `500 Internal Server Error: "no such hook:\n[REDACTED] and [REDACTED]\x00"`},
		{name: "redirect", answer: echo(307), want: "307 Temporary Redirect"},
		{name: "teapot, own client", answer: echo(418), client: &http.Client{}, want: "418 I'm a teapot"},
		{name: "unknown status", answer: echo(599), want: "it answered 599"},
		{name: "slow", answer: slow, timeout: 50 * time.Millisecond, is: context.DeadlineExceeded},
		{name: "slow, own client", answer: slow, timeout: 50 * time.Millisecond, client: &http.Client{}, is: context.DeadlineExceeded},
		{name: "hangs up", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, is: io.EOF},
		{
			name: "chatty transport", client: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				return nil, fmt.Errorf("can't reach %s", r.URL)
			})}, want: "can't reach [REDACTED]",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			rec := newReceiver(t, c.answer)
			var got error
			h := postludetest.New(t, postlude.Config{})
			hook := notify.Webhook{URL: rec.URL + path + "?token=" + password, Timeout: c.timeout, Client: c.client}
			began := time.Now()
			fail(t, h, hook, &got)
			if took := time.Since(began); took > notify.DefaultTimeout/2 {
				t.Errorf("it took %v", took)
			}
			if got == nil || !strings.Contains(got.Error(), c.want) || c.is != nil && !errors.Is(got, c.is) {
				t.Fatalf("got %v, want %s %v", got, c.want, c.is)
			}
			if n := rec.calls(); n > 1 {
				t.Errorf("%d calls", n)
			}
			checkFailed(t, h, got, strings.TrimPrefix(rec.URL, "http://"))
		})
	}
}

func TestWebhookConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, client := range []*http.Client{nil, {}} {
		var got error
		h := postludetest.New(t, postlude.Config{})
		fail(t, h, notify.Webhook{URL: "http://user:" + password + "@" + l.Addr().String() + path, Client: client}, &got)
		var op *net.OpError
		if !errors.As(got, &op) {
			t.Fatalf("got %v", got)
		}
		checkFailed(t, h, got, l.Addr().String())
	}
}

// fail runs a task that fails and is escalated to hook; got is what the hook returned.
func fail(t *testing.T, h *postludetest.Harness, hook notify.Webhook, got *error) {
	t.Helper()
	n := notifierFunc(func(ctx context.Context, f *postlude.Failure) error {
		*got = hook.Notify(ctx, f)
		return *got
	})
	if _, err := postlude.Go(h.Context(), SendReceipt.With(receipt{}), postlude.OnError(postlude.Escalate(n))); err != nil {
		t.Fatal(err)
	}
	h.Settle()
}

type notifierFunc func(context.Context, *postlude.Failure) error

func (fn notifierFunc) Notify(ctx context.Context, f *postlude.Failure) error { return fn(ctx, f) }

type roundTripper func(*http.Request) (*http.Response, error)

func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return rt(r) }

// checkFailed: a failed escalation is on record, with the host but without the secrets.
func checkFailed(t *testing.T, h *postludetest.Harness, err error, host string) {
	t.Helper()
	if n := len(h.Records(taskconv.EventFailed)); n != 1 {
		t.Errorf("%d records of task.failed", n)
	}
	if n := len(h.Records(taskconv.EventHandlerFailed)); n != 1 {
		t.Errorf("%d records of task.handler_failed", n)
	}
	if !strings.Contains(err.Error(), "webhook at "+host) {
		t.Errorf("the error does not name the host: %v", err)
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, secret) || strings.Contains(text, password) {
			t.Errorf("a secret is in the error %s", text)
		}
	}
	checkSilence(t, h, secret, password)
}
