package sentrynotify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/getsentry/sentry-go"

	postlude "github.com/postlude/postlude/runtime"
)

func TestOddFailures(t *testing.T) {
	s := newServer(t, nil)
	n := s.notifier(t, sentry.ClientOptions{MaxErrorDepth: -1})
	for _, c := range []struct {
		name string
		f    *postlude.Failure
		want string // the value of the last exception
	}{
		{"empty", &postlude.Failure{}, "!PANIC: Error of <nil>"},
		{"an error that panics", &postlude.Failure{Err: (*brokenError)(nil), ErrorType: "x"}, "!PANIC: Error of *sentrynotify.brokenError"},
		{"wrapped", &postlude.Failure{Err: fmt.Errorf("a %w", wrapping{(*brokenError)(nil)}), ErrorType: "x"}, "a b"},
		{"huge", &postlude.Failure{Err: errors.New(strings.Repeat("ä", maxText)), ErrorType: strings.Repeat("\n", 1000)}, strings.Repeat("ä", maxText/2-2) + "..."},
		{"broad", &postlude.Failure{Err: errors.Join(slices.Repeat([]error{wrapping{errRoute}}, 1000)...)}, strings.Repeat("b\n", 999) + "b"},
		{"bottomless", &postlude.Failure{Err: bottomless{}}, "no end"},
		{"a stack of another format", &postlude.Failure{Err: errRoute, Stack: "at main (x.js:1)\n"}, "no route to host"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := n.Notify(background, c.f); err != nil {
				t.Fatal(err)
			}
			all := s.events(t)
			e := all[len(all)-1]
			if got := e.Exception[len(e.Exception)-1].Value; got != c.want || len(e.Exception) > maxExceptions {
				t.Errorf("%d exceptions, the last is %.100q, want %.100q", len(e.Exception), got, c.want)
			}
			if stack, _ := e.Contexts.Task["stack"].(string); stack != c.f.Stack {
				t.Errorf("stack %q", stack)
			}
		})
	}
}

type brokenError struct{ text string }

func (e *brokenError) Error() string { return e.text }

// wrapping has a text although what it wraps has none.
type wrapping struct{ error }

func (wrapping) Error() string   { return "b" }
func (w wrapping) Unwrap() error { return w.error }

// bottomless wraps another one like it, for ever.
type bottomless struct{ n int }

func (b bottomless) Error() string { return "no end" + strings.Repeat("!", b.n) }
func (b bottomless) Unwrap() error { return bottomless{b.n + 1} }
