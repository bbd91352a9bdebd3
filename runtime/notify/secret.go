package notify

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
)

// ownClient is the client of every Webhook that has none. What observes a request sees a
// URL without secrets; the real one is in the context, and put in below all of it. The
// instrumentation would write it on the span otherwise, as url.full.
var ownClient = sync.OnceValue(func() *http.Client {
	return &http.Client{
		// The trace may go on at the receiver; baggage is nobody else's business.
		Transport: otelhttp.NewTransport(aim{}, otelhttp.WithPropagators(propagation.TraceContext{})),
		// A redirect would have to be followed from the URL that is shown.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
})

// targetKey is the context key of the URL that a request is really for.
type targetKey struct{}

// aim sends a request where it is really for.
type aim struct{}

func (aim) RoundTrip(r *http.Request) (*http.Response, error) {
	if to, ok := r.Context().Value(targetKey{}).(*url.URL); ok {
		r = r.WithContext(r.Context()) // a copy: the caller's must stay as it is
		r.URL, r.Host = to, to.Host
	}
	return http.DefaultTransport.RoundTrip(r)
}

// public is the URL as it may be shown.
func public(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/REDACTED"}).String()
}

// minSecret is how long a part of a path or query has to be to be masked where it turns up
// in a text: "v1" is none.
const minSecret = 6

// hide masks in text what is secret of u, whole or in parts.
func hide(text string, u *url.URL) string {
	password, _ := u.User.Password()
	secrets := []string{u.String(), u.RequestURI(), u.RawQuery, u.Fragment, u.User.Username(), password}
	secrets = append(secrets, strings.Split(u.Path, "/")...)
	secrets = append(secrets, strings.Split(u.EscapedPath(), "/")...)
	for _, values := range u.Query() {
		secrets = append(secrets, values...)
	}
	secrets = slices.DeleteFunc(secrets, func(s string) bool { return len(s) < minSecret })
	// Longest first: a part must not break up the whole before that is found.
	slices.SortFunc(secrets, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "[REDACTED]")
	}
	return text
}

// hidden returns err without what is secret of u. A *url.Error is opened, as its text has
// the URL. What that contains stays in the chain (a timeout is still one) unless its text
// has it, too.
func hidden(err error, u *url.URL) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if text := err.Error(); hide(text, u) != text {
		return errors.New(hide(text, u))
	}
	return err
}
