package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	postlude "github.com/postlude/postlude/runtime"
)

// services calls other people's services over HTTP. Its transport makes a client span
// of each call, a child of the attempt that the context belongs to.
type services struct {
	url    string
	client *http.Client
}

func newServices(at string) services {
	named := otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
		return r.Method + " " + r.URL.Path
	})
	transport := otelhttp.NewTransport(http.DefaultTransport, named)
	return services{url: at, client: &http.Client{Transport: transport, Timeout: 5 * time.Second}}
}

// nobody is where nothing listens: calls to it are refused.
const nobody = "http://127.0.0.1:1"

// call posts body to a service. simulate says how the service shall behave, see answers
// in stubs.go; with "network" it can't be reached.
func (s services) call(ctx context.Context, service, simulate string, body any) error {
	to := s.url + "/" + service
	switch simulate {
	case "":
	case "network":
		to = nobody + "/" + service
	default:
		to += "?simulate=" + url.QueryEscape(simulate)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err // a *url.Error: there was no answer
	}
	defer resp.Body.Close()
	return refusal(service, resp.StatusCode)
}

// refusal makes an error of an answer, one that error handlers can tell from others.
func refusal(service string, code int) error {
	status := &StatusError{Service: service, Code: code}
	switch {
	case code < 300:
		return nil
	case code == http.StatusPaymentRequired:
		return &DeclinedError{status}
	case code == http.StatusUnprocessableEntity:
		// Wrong now is wrong for ever: whatever Retry there is, it will not try again.
		return postlude.Permanent(&ValidationError{status})
	}
	return status
}

// StatusError says that a service answered, and did not do what it was asked for.
type StatusError struct {
	Service string
	Code    int
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the %s service answered %d %s", e.Service, e.Code, http.StatusText(e.Code))
}

// Is makes errors.Is(err, fs.ErrPermission) true of a 403.
func (e *StatusError) Is(target error) bool {
	return target == fs.ErrPermission && e.Code == http.StatusForbidden
}

// ValidationError says that what a service was asked for is wrong.
type ValidationError struct{ *StatusError }

// DeclinedError says that a payment was declined.
type DeclinedError struct{ *StatusError }

// tracker tells an error tracker of failures. A Notifier is that simple; for Sentry there
// is one ready to use.
type tracker struct{ services }

func (t tracker) Notify(ctx context.Context, f *postlude.Failure) error {
	return t.call(ctx, "tracker", "", map[string]any{
		"task": f.Task().Name, "function": f.Task().Func, "args": f.RedactedArgs(), "attempt": f.Attempt,
		"type": f.ErrorType, "message": f.Message(), "stack": f.Stack, "trace": f.TraceURL,
	})
}
