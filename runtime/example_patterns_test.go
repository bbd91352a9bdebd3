package postlude_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	postlude "github.com/postlude/postlude/runtime"
)

// run runs one job to its end, with handlers, on a runtime of its own.
func run(j postlude.Job, handlers ...postlude.ErrorHandler) error {
	rt := newQuietly()
	defer func() { _, _ = rt.Shutdown(context.Background()) }()
	r, err := postlude.Go(rt.Context(context.Background()), j, postlude.OnError(handlers...))
	if err != nil {
		return err
	}
	<-r.Done()
	return r.Err()
}

// stdout is a notifier that prints, where a program has notify.Webhook or Sentry.
type stdout struct{ name string }

func (o stdout) Notify(_ context.Context, f *postlude.Failure) error {
	fmt.Printf("%s: %s%s failed after %d attempts: %s\n", o.name, f.Task().Name, f.RedactedArgs(), len(f.History), f.Message())
	return nil
}

// Retries with exponential backoff, in the fields of a struct. What is permanent is not
// retried, and what the other side asked to wait for is waited for.
func ExampleRetry() {
	tries := 0
	flaky := postlude.Func("flaky", func(context.Context) error {
		if tries++; tries <= 2 {
			return fmt.Errorf("try %d: the network is down", tries)
		}
		return nil
	})
	err := run(flaky, postlude.Retry{Max: 3, Base: time.Millisecond, Jitter: 1})
	fmt.Println(tries, err)
	// Output: 3 <nil>
}

// The fallback gets the task's arguments, typed: there is nothing to unpack.
func ExampleTask_Fallback() {
	type Mail struct{ To, Subject string }
	byAPI := postlude.Define("send_by_api", func(_ context.Context, m Mail) error {
		fmt.Println("by API to", m.To)
		return nil
	})
	bySMTP := postlude.Define("send_email", func(context.Context, Mail) error {
		return &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	}).Fallback(byAPI)
	fmt.Println(run(bySMTP.With(Mail{To: "ada@example.com", Subject: "Welcome"})))
	// Output:
	// by API to ada@example.com
	// <nil>
}

// A verdict may name a fallback, too: for some errors only, say.
func ExampleFallbackTo() {
	letter := postlude.Define("print_letter", func(_ context.Context, to string) error {
		fmt.Println("a letter to", to)
		return nil
	})
	mail := postlude.Define("send_email", func(context.Context, string) error { return os.ErrDeadlineExceeded })
	err := run(mail.With("ada"), postlude.Is(os.ErrDeadlineExceeded,
		postlude.HandlerFunc("letter", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
			to, _ := postlude.ArgsOf[string](f)
			return postlude.FallbackTo(letter.With(to))
		})))
	fmt.Println(err)
	// Output:
	// a letter to ada
	// <nil>
}

// Somebody is told once, after the retries and the fallback, with the whole history and
// the arguments as telemetry may show them.
func ExampleEscalate() {
	type Payment struct {
		ID   int
		Card string
	}
	pay := postlude.Define("critical_payment", func(context.Context, Payment) error { return errors.New("bank is closed") },
		postlude.Shield(true))
	_ = run(pay.With(Payment{12345, "4111 1111 1111 1111"}),
		postlude.Retry{Max: 2, Base: time.Millisecond},
		postlude.Escalate(stdout{"pager"}, stdout{"tracker"}))
	// Output:
	// pager: critical_payment{"ID":12345,"Card":"[REDACTED]"} failed after 3 attempts: bank is closed
	// tracker: critical_payment{"ID":12345,"Card":"[REDACTED]"} failed after 3 attempts: bank is closed
}

// Work for an external service, an error tracker for instance, does not belong into the
// decision: it runs after the span ended, in a span of its own, and others go on deciding.
func ExampleVerdict_Then() {
	track := postlude.HandlerFunc("tracker", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
		return postlude.Pass.Then(func(ctx context.Context) error {
			fmt.Println("sent to the tracker:", f.Message())
			return nil
		})
	})
	_ = run(postlude.Func("monitored_task", func(context.Context) error { return errors.New("oops") }), track)
	// Output: sent to the tracker: oops
}

// A function for one type of error gets the error as that type.
func ExampleOn() {
	declinedBy := postlude.On(func(_ context.Context, f *postlude.Failure, e *declined) postlude.Verdict {
		fmt.Println(f.Task().Name, "was declined with code", e.code)
		return postlude.Handled
	})
	err := run(postlude.Func("charge", func(context.Context) error { return fmt.Errorf("bank: %w", &declined{51}) }), declinedBy)
	fmt.Println(err)
	// Output:
	// charge was declined with code 51
	// bank: declined: 51
}

// A policy for each kind of error, to be read like a type switch; the last one is the
// default. It is a value: one for all tasks goes into Config.Defaults.
func ExampleHandlers() {
	policy := postlude.Handlers(
		postlude.For[*net.OpError](postlude.Retry{Max: 5, Base: time.Millisecond}),
		postlude.On(func(_ context.Context, f *postlude.Failure, _ *declined) postlude.Verdict {
			return postlude.EscalateTo(stdout{"sales"})
		}),
		postlude.Is(os.ErrPermission, postlude.Escalate(stdout{"security"}, stdout{"tracker"})),
		postlude.Escalate(stdout{"tracker"}),
	)
	for _, err := range []error{&net.OpError{Op: "dial", Err: errors.New("refused")}, &declined{51}, os.ErrPermission, errors.New("what?")} {
		fmt.Printf("%T\n", err)
		_ = run(postlude.Func("smart_task", func(context.Context) error { return err }), policy)
	}
	// Output:
	// *net.OpError
	// tracker: smart_task failed after 6 attempts: dial: refused
	// *postlude_test.declined
	// sales: smart_task failed after 1 attempts: declined: 51
	// *errors.errorString
	// security: smart_task failed after 1 attempts: permission denied
	// tracker: smart_task failed after 1 attempts: permission denied
	// *errors.errorString
	// tracker: smart_task failed after 1 attempts: what?
}

// A permanent error is not worth a second try.
func ExamplePermanent() {
	tries := 0
	err := run(postlude.Func("validate", func(context.Context) error {
		tries++
		return postlude.Permanent(errors.New("the address has no @"))
	}), postlude.Retry{Max: 5, Base: time.Millisecond})
	fmt.Println(tries, err)
	// Output: 1 the address has no @
}

// Retrying whatever comes hammers on what can't succeed: a validation error is tried six
// times. Route by type, as ExampleHandlers does, or mark the error as Permanent.
func ExampleRetry_incorrect() {
	tries := 0
	_ = run(postlude.Func("validate", func(context.Context) error {
		tries++
		return errors.New("the address has no @")
	}), postlude.Retry{Max: 5, Base: time.Millisecond})
	fmt.Println(tries, "tries")
	// Output: 6 tries
}

// A handler that panics is a bug, but only its own: it is logged and counted, the next one
// is asked, and no other task is disturbed.
func ExampleHandlerFunc_incorrect() {
	bad := postlude.HandlerFunc("bad", func(context.Context, *postlude.Failure) postlude.Verdict { panic("handler failed") })
	good := postlude.HandlerFunc("good", func(_ context.Context, f *postlude.Failure) postlude.Verdict {
		fmt.Println("good was asked about:", f.Err)
		return postlude.Handled
	})
	fmt.Println(run(postlude.Func("task", func(context.Context) error { return errors.New("oops") }), bad, good))
	// Output:
	// good was asked about: oops
	// oops
}

// Starting work with go in a handler and forgetting about it: the handler's context ends
// with the decision, so that the send fails, and nobody learns of it. Verdict.Then gives the
// work time, a span, and a record if it fails.
func ExampleVerdict_Then_incorrect() {
	result := make(chan error)
	forget := postlude.HandlerFunc("forget", func(ctx context.Context, _ *postlude.Failure) postlude.Verdict {
		go func() {
			<-ctx.Done() // a slow call to a tracker, say
			result <- ctx.Err()
		}()
		return postlude.Handled
	})
	_ = run(postlude.Func("task", func(context.Context) error { return errors.New("oops") }), forget)
	fmt.Println("the send that nobody waits for:", <-result)
	// Output: the send that nobody waits for: context canceled
}
