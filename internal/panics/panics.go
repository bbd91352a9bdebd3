// Package panics turns what user code can do to its goroutine, a panic or
// runtime.Goexit, into an error.
package panics

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrGoexit is what an Error of a runtime.Goexit unwraps to.
var ErrGoexit = errors.New("runtime.Goexit was called")

// Error is a recovered panic, or a runtime.Goexit.
type Error struct {
	// Value is what panic was called with; ErrGoexit after a runtime.Goexit.
	Value any
	// Stack is the stack of the goroutine at the panic or the call of Goexit, as text,
	// without the frames of the recovery itself.
	Stack string
}

// Error tells what was thrown; the stack is not part of the message.
func (e *Error) Error() string {
	if e.Value == error(ErrGoexit) {
		return ErrGoexit.Error()
	}
	return fmt.Sprintf("panic: %v", e.Value)
}

// Unwrap returns the panic's value if that is an error, so that errors.Is and
// errors.As see through a panic.
func (e *Error) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Recovered makes an Error of what recover returned, in the deferred function
// that called recover. A nil value means runtime.Goexit: since Go 1.21, recover
// returns nil only for it (panic(nil) yields a *runtime.PanicNilError).
func Recovered(value any) *Error {
	origin := "\npanic("
	if value == nil {
		value, origin = ErrGoexit, "\nruntime.Goexit("
	}
	return &Error{Value: value, Stack: trim(debug.Stack(), origin)}
}

// Try calls fn and returns its panic as an error. A runtime.Goexit in fn still
// ends the goroutine, after the deferred functions have run.
func Try(fn func()) (err *Error) {
	defer func() {
		if v := recover(); v != nil {
			err = Recovered(v)
		}
	}()
	fn()
	return nil
}

// trim cuts the frames from the top of the stack down to that of origin: they show
// how we looked, not what happened. A stack without origin is left whole.
func trim(stack []byte, origin string) string {
	header, frames, ok := bytes.Cut(stack, []byte("\n"))
	if !ok {
		return string(stack)
	}
	// The first from the top is that of what is being recovered. One below it, of a
	// panic during which a deferred function panicked or called Goexit, is news.
	at := bytes.Index(frames, []byte(origin))
	if at < 0 {
		return string(stack)
	}
	rest := frames[at+1:]
	for range 2 { // the frame's function, and its file
		if _, after, ok := bytes.Cut(rest, []byte("\n")); ok {
			rest = after
		}
	}
	return string(header) + "\n" + string(rest)
}
