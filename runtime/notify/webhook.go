package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// DefaultTimeout is how long a Webhook waits for its answer, unless it says otherwise.
const DefaultTimeout = 10 * time.Second

const (
	maxRead  = 64 << 10 // of an answer: more is not worth keeping its connection for
	maxPiece = 200      // of an answer, in an error, in bytes
)

// Webhook is a postlude.Notifier that posts a message, as text in a JSON object
// ({"text": ...}), to a Slack incoming webhook or what is compatible with one: Mattermost,
// Rocket.Chat, Discord with /slack appended to the URL.
//
// The message has one line for each of: the task, its function, the error with its type,
// kind and message, the redacted arguments, timing and shield, the attempts with their
// times and errors, the trace and its URL, and the number of failures of the kind that
// were suppressed since the last message. It has at most 16 KiB; Slack takes 40,000
// characters.
//
// Who knows a webhook's URL can post there, so it is a secret: it is neither in the errors
// of Notify nor in what fmt and slog print of a Webhook.
//
// A Webhook is comparable: equal ones that several Escalate name are told once.
type Webhook struct {
	// URL is where to post, with all the secrets that it contains.
	URL string `log:"secret"`
	// Client posts. nil: one that makes a CLIENT span below the span in Notify's context,
	// with that span's provider, that follows no redirect, sends traceparent but no baggage,
	// and shows spans and metrics the host of URL only. It uses http.DefaultTransport. A
	// Client of your own sees all of URL, and so do the spans that it may make.
	Client *http.Client
	// Timeout limits the call, connection and answer included, besides Notify's context.
	// 0: DefaultTimeout.
	Timeout time.Duration
}

// Check tells what is wrong with the Webhook, without calling it: a program may want to
// know at its start. Notify checks, too.
func (w Webhook) Check() error {
	_, err := w.target()
	return err
}

// String returns the host of the URL.
func (w Webhook) String() string {
	u, err := w.target()
	if err != nil {
		return "webhook"
	}
	return "webhook at " + u.Host
}

// GoString is String: %#v would print the URL.
func (w Webhook) GoString() string { return w.String() }

// LogValue is String.
func (w Webhook) LogValue() slog.Value { return slog.StringValue(w.String()) }

// Notify posts the message about f. It blocks until the answer is there, at most for
// Timeout or until ctx ends. Every answer but a 2xx is an error, which contains the status
// and the beginning of the answer.
func (w Webhook) Notify(ctx context.Context, f *postlude.Failure) error {
	to, err := w.target()
	if err != nil {
		return err
	}
	timeout := w.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := w.post(ctx, to, payload(message(f))); err != nil {
		return fmt.Errorf("notify: %v: %w", w, err)
	}
	return nil
}

// target parses the URL. url.Parse's error is left out: it quotes what it was given.
func (w Webhook) target() (*url.URL, error) {
	if w.URL == "" {
		return nil, errors.New("notify: Webhook.URL is empty")
	}
	u, err := url.Parse(w.URL)
	switch {
	case err != nil:
		return nil, errors.New("notify: Webhook.URL is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("notify: Webhook.URL is neither http nor https")
	case u.Hostname() == "":
		return nil, errors.New("notify: Webhook.URL has no host")
	case w.Timeout < 0:
		return nil, fmt.Errorf("notify: Webhook.Timeout is negative: %v", w.Timeout)
	}
	return u, nil
}

// payload is the JSON that is posted.
func payload(text string) *bytes.Buffer {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)                        // no browser reads it, people do
	_ = enc.Encode(map[string]string{"text": text}) // a map of strings can't fail
	return &body
}

func (w Webhook) post(ctx context.Context, to *url.URL, body io.Reader) error {
	client, r, err := w.request(ctx, to, body)
	if err != nil {
		return hidden(err, to)
	}
	res, err := client.Do(r)
	if err != nil {
		return hidden(err, to)
	}
	defer res.Body.Close()
	defer io.Copy(io.Discard, io.LimitReader(res.Body, maxRead)) // the connection can be used again
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	begin, _ := io.ReadAll(io.LimitReader(res.Body, maxRead))
	return fmt.Errorf("it answered %d %s: %q", res.StatusCode, http.StatusText(res.StatusCode),
		piece(hide(string(begin), to)))
}

// piece is the beginning of an answer.
func piece(s string) string {
	if len(s) > maxPiece {
		return strings.ToValidUTF8(s[:maxPiece], "") + "…"
	}
	return s
}

// request returns who sends what. Our own client is shown a URL without secrets.
func (w Webhook) request(ctx context.Context, to *url.URL, body io.Reader) (*http.Client, *http.Request, error) {
	client, shown := w.Client, w.URL
	if client == nil {
		client, shown = ownClient(), public(to)
		ctx = context.WithValue(ctx, targetKey{}, to)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, shown, body)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "postlude")
	if u := to.User; u != nil { // http.Client would do it by the URL that it sees
		password, _ := u.Password()
		r.SetBasicAuth(u.Username(), password)
	}
	return client, r, nil
}
