package postlude

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"
)

var errCause = errors.New("cause")

func attemptWith(values context.Context) *attempt {
	return &attempt{task: &task{}, values: values}
}

// TestAttemptContext: it behaves as those of package context do, whatever is asked first.
func TestAttemptContext(t *testing.T) {
	request, gone := context.WithCancelCause(context.WithValue(context.Background(), t, "value"))
	gone(errCause) // the client
	ask := map[string]func(context.Context){
		"nothing": func(context.Context) {},
		"done":    func(ctx context.Context) { ctx.Done() },
		"err":     func(ctx context.Context) { _ = ctx.Err() },
		"cause":   func(ctx context.Context) { _ = context.Cause(ctx) },
		"child":   func(ctx context.Context) { _, stop := context.WithCancel(ctx); t.Cleanup(stop) },
	}
	for name, first := range ask {
		t.Run(name, func(t2 *testing.T) {
			a := attemptWith(request)
			first(a)
			if a.Err() != nil || context.Cause(a) != nil || a.Value(t) != "value" {
				t2.Errorf("before: %v, %v, %v", a.Err(), context.Cause(a), a.Value(t))
			}
			child, stop := context.WithTimeout(a, time.Hour)
			defer stop()
			called := make(chan struct{})
			context.AfterFunc(child, func() { close(called) })
			a.cancelWith(ErrShuttingDown)
			a.cancelWith(errCause) // too late
			<-called
			if !errors.Is(a.Err(), context.Canceled) || context.Cause(a) != ErrShuttingDown || context.Cause(child) != ErrShuttingDown {
				t2.Errorf("after: %v, %v, %v", a.Err(), context.Cause(a), context.Cause(child))
			}
			<-a.Done()
			if a.release(); context.Cause(a) != ErrShuttingDown || a.Value(t) != "value" {
				t2.Errorf("released: %v, %v", context.Cause(a), a.Value(t))
			}
		})
	}
}

// TestAttemptContextEnds with the attempt, also for who asks only then.
func TestAttemptContextEnds(t *testing.T) {
	a := attemptWith(context.Background())
	a.release()
	a.release()
	<-a.Done()
	if a.Err() != context.Canceled || context.Cause(a) != context.Canceled {
		t.Errorf("%v, %v", a.Err(), context.Cause(a))
	}
	b := attemptWith(context.Background())
	child, stop := context.WithCancel(b)
	defer stop()
	b.release()
	<-child.Done()
	if _, ok := b.Deadline(); ok {
		t.Error("a deadline from nowhere")
	}
}

func TestAttemptContextTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := attemptWith(context.Background())
		a.limit(time.Second)
		if d, ok := a.Deadline(); !ok || time.Until(d) != time.Second {
			t.Errorf("%v, %v", d, ok)
		}
		<-a.Done()
		if a.Err() != context.DeadlineExceeded || context.Cause(a) != errTimeout {
			t.Errorf("%v, %v", a.Err(), context.Cause(a))
		}
		a.release()

		b := attemptWith(context.Background())
		b.limit(time.Second)
		b.cancelWith(errCause)
		if b.Err() != context.Canceled || context.Cause(b) != errCause {
			t.Errorf("%v, %v", b.Err(), context.Cause(b))
		}
	})
}

type testKey string

const keyA, keyB = testKey("kept"), testKey("lost")

// TestLeanContext has span context, baggage, what is to be kept, and nothing else.
func TestLeanContext(t *testing.T) {
	if spanKey == nil || baggageKey == nil {
		t.Fatal("OpenTelemetry keeps its values in another way: contexts take the longer way")
	}
	check := func(t *testing.T) {
		rt := &Runtime{cfg: Config{Keep: []any{keyA, "absent"}}}
		rt.scope.rt = rt
		member, _ := baggage.NewMember("tenant", "7")
		bag, _ := baggage.New(member)
		sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: 1})
		ctx := baggage.ContextWithBaggage(trace.ContextWithSpanContext(context.Background(), sc), bag)
		ctx, cancel := context.WithCancel(context.WithValue(context.WithValue(ctx, keyA, 1), keyB, 2))
		cancel()
		c := rt.lean(ctx, &scope{rt: rt, req: &request{}}, immediate)
		if !trace.SpanContextFromContext(c).Equal(sc) || baggage.FromContext(c).Member("tenant").Value() != "7" {
			t.Errorf("%v, %v", trace.SpanContextFromContext(c), baggage.FromContext(c))
		}
		if c.Value(keyA) != 1 || c.Value(keyB) != nil || c.Value("absent") != nil || c.Err() != nil || c.Done() != nil {
			t.Errorf("%v, %v, %v", c.Value(keyA), c.Value(keyB), c.Err())
		}
		if sc := scopeOf(c); sc == nil || sc.rt != rt || sc.req != nil {
			t.Errorf("the scope is %+v", sc)
		}
		bare := rt.lean(context.Background(), &rt.scope, immediate)
		if trace.SpanContextFromContext(bare).IsValid() || baggage.FromContext(bare).Len() != 0 || bare.Value(t) != nil {
			t.Error("a bare one has values")
		}
	}
	t.Run("known keys", check)
	s, b := spanKey, baggageKey
	defer func() { spanKey, baggageKey = s, b }()
	spanKey, baggageKey = nil, nil
	t.Run("unknown keys", check)
}
