package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/notify"
)

type card struct{ Order, CardNumber string }

// A task that nothing else could save is reported to a chat, with its arguments redacted.
func Example() {
	chat := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct{ Text string }
		_ = json.NewDecoder(r.Body).Decode(&message)
		for line := range strings.Lines(message.Text) {
			switch label, _, _ := strings.Cut(line, ":"); label {
			case "*Task failed", "Error", "Message", "Arguments":
				fmt.Print(line)
			}
		}
	}))
	defer chat.Close()

	tell := postlude.Escalate(notify.Webhook{URL: chat.URL + "/services/T000/B000/secret"})
	charge := postlude.Define("charge", func(context.Context, card) error { return errors.New("card declined") },
		postlude.OnError(tell))

	rt, err := postlude.New(postlude.Config{Logger: slog.New(slog.DiscardHandler), Tasks: []postlude.Definition{charge}})
	if err != nil {
		panic(err)
	}
	run, _ := postlude.Go(rt.Context(context.Background()), charge.With(card{"o-17", "4111 1111 1111 1111"}))
	<-run.Done()
	_, _ = rt.Shutdown(context.Background())
	// Output:
	// *Task failed:* `charge`
	// Error: `*errors.errorString` (error)
	// Message: `card declined`
	// Arguments: `{"Order":"o-17","CardNumber":"[REDACTED]"}`
}
