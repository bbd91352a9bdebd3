package panics_test

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"

	"github.com/postlude/postlude/internal/panics"
)

type custom struct{ code int }

func (c *custom) Error() string { return fmt.Sprintf("code %d", c.code) }

// Of what kind the value is decides what the error says and what it unwraps to.
func TestTry(t *testing.T) {
	for _, c := range []struct {
		name string
		fn   func()
		text string
		is   error // what errors.Is finds, if anything
	}{
		{"string", func() { panic("boom") }, "panic: boom", nil},
		{"error", func() { panic(fs.ErrNotExist) }, "panic: file does not exist", fs.ErrNotExist},
		{"wrapped error", func() { panic(fmt.Errorf("open: %w", fs.ErrNotExist)) }, "panic: open: file does not exist", fs.ErrNotExist},
		{"not comparable", func() { panic([]int{1, 2}) }, "panic: [1 2]", nil},
		// fmt recovers what the value's own methods do; the message stays an error's.
		{"String method panics", func() { panic(badStringer{}) }, "panic: %!v(PANIC=String method: no)", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := panics.Try(c.fn)
			if err == nil || err.Error() != c.text {
				t.Fatalf("%v", err)
			}
			if c.is != nil && !errors.Is(err, c.is) || c.is == nil && errors.Unwrap(err) != nil {
				t.Errorf("it unwraps to %v", errors.Unwrap(err))
			}
		})
	}
	if err := panics.Try(func() {}); err != nil {
		t.Errorf("without a panic: %v", err)
	}
}

type badStringer struct{}

func (badStringer) String() string { panic("no") }

func TestUnwrap(t *testing.T) {
	var err error = panics.Try(func() { panic(&custom{7}) })
	if as, ok := errors.AsType[*custom](err); !ok || as.code != 7 {
		t.Errorf("%v", as)
	}
	err = panics.Try(func() { panic(nil) })
	if _, ok := errors.AsType[*runtime.PanicNilError](err); !ok {
		t.Errorf("panic(nil) gives %v", err)
	}
	err = panics.Try(func() { nilMap(nil) })
	if _, ok := errors.AsType[runtime.Error](err); !ok {
		t.Errorf("a runtime error gives %v", err)
	}
}

// exited runs fn on a goroutine and returns what its deferred function makes of its
// end, as the runtime does for a task.
func exited(fn func()) (err *panics.Error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { err = panics.Recovered(recover()) }()
		fn()
	}()
	<-done
	return err
}

func TestGoexit(t *testing.T) {
	err := exited(goexits)
	if !errors.Is(err, panics.ErrGoexit) || err.Error() != panics.ErrGoexit.Error() {
		t.Errorf("%v", err)
	}
	if errors.Is(exited(panicsNow), panics.ErrGoexit) {
		t.Error("a panic is taken for a Goexit")
	}
}

// Goexit goes through Try: it ends the goroutine, as its caller asked.
func TestTryLetsGoexitPass(t *testing.T) {
	returned := false
	err := exited(func() {
		_ = panics.Try(goexits)
		returned = true
	})
	if returned || !errors.Is(err, panics.ErrGoexit) {
		t.Errorf("returned %v, %v", returned, err)
	}
}

// The functions below must have a frame of their own.

//go:noinline
func panicsNow() { panic("boom") }

//go:noinline
func nilMap(m map[string]int) { m["a"] = 1 }

//go:noinline
func nilDeref(p *custom) int { return p.code }

//go:noinline
func outOfRange(s []int, i int) int { return s[i] }

//go:noinline
func divides(a, b int) int { return a / b }

//go:noinline
func asserts(v any) int { return v.(int) }

//go:noinline
func closesNil(c chan int) { close(c) }

//go:noinline
func callsNil(fn func()) { fn() }

//go:noinline
func goexits() { runtime.Goexit() }

//go:noinline
func inDefer(deferred, fn func()) {
	defer deferred()
	fn()
}

//go:noinline
func repanics() {
	if v := recover(); v != nil {
		panic(v)
	}
}

// deep panics below more frames than a stack shows.
func deep(n int) {
	if n == 0 {
		panicsNow()
	}
	deep(n - 1)
}

// A reader of the stack sees first who panicked, not how the panic was found.
func TestStack(t *testing.T) {
	for _, c := range []struct {
		name  string
		fn    func()
		first string   // function of the first frame
		below []string // what is found below it, in this order
	}{
		{"panic", panicsNow, "panicsNow", nil},
		{"nil map", func() { nilMap(nil) }, "nilMap", nil},
		{"nil pointer", func() { nilDeref(nil) }, "nilDeref", nil},
		{"index", func() { outOfRange(nil, 3) }, "outOfRange", nil},
		{"division", func() { _ = divides(1, 0) }, "divides", nil},
		{"type assertion", func() { asserts("a") }, "asserts", nil},
		{"close of nil", func() { closesNil(nil) }, "closesNil", nil},
		{"call of nil", func() { callsNil(nil) }, "callsNil", nil},
		{"deep", func() { deep(1000) }, "panicsNow", []string{"deep("}},
		{"panic in a deferred function", func() { inDefer(func() { nilMap(nil) }, panicsNow) }, "nilMap", []string{"\npanic(", "panicsNow", "inDefer"}},
		{"panic again", func() { inDefer(repanics, panicsNow) }, "repanics", []string{"\npanic(", "panicsNow", "inDefer"}},
		{"panic during Goexit", func() { inDefer(panicsNow, goexits) }, "panicsNow", []string{"runtime.Goexit(", "goexits", "inDefer"}},
		{"recovered before", func() { _ = panics.Try(panicsNow); nilMap(nil) }, "nilMap", nil},
		{"recovered meanwhile", func() { inDefer(func() { _ = panics.Try(panicsNow) }, func() { nilMap(nil) }) }, "nilMap", nil},
		{"Goexit", goexits, "goexits", nil},
		{"Goexit during a panic", func() { inDefer(goexits, panicsNow) }, "goexits", []string{"\npanic(", "panicsNow", "inDefer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := exited(c.fn)
			checkStack(t, err.Stack, c.first, c.below)
			var tried *panics.Error // stays nil if there was a Goexit: Try does not return then
			_ = exited(func() { tried = panics.Try(c.fn) })
			if tried != nil {
				checkStack(t, tried.Stack, c.first, c.below)
			} else if !strings.Contains(c.name, "Goexit") {
				t.Error("Try returned no error")
			}
		})
	}
}

func checkStack(t *testing.T, stack, first string, below []string) {
	t.Helper()
	lines := strings.SplitN(stack, "\n", 4)
	if len(lines) < 4 || !strings.HasPrefix(lines[0], "goroutine ") {
		t.Fatalf("not a stack: %s", stack)
	}
	if !strings.Contains(lines[1], "panics_test."+first+"(") || !strings.Contains(lines[2], "panics_test.go:") {
		t.Errorf("the first frame is not %s's:\n%s", first, stack)
	}
	rest := "\n" + lines[3]
	for _, want := range below {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Errorf("%q is missing:\n%s", want, stack)
		}
		rest = after
	}
}

// Recovered that is called when nothing happened has no origin to cut at: the stack is
// left whole, rather than cut at a panic that has been over for long.
func TestStackWithoutOrigin(t *testing.T) {
	if err := panics.Recovered(nil); !strings.Contains(err.Stack, "debug.Stack") || !strings.Contains(err.Stack, t.Name()) {
		t.Errorf("%s", err.Stack)
	}
}
