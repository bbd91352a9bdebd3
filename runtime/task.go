package postlude

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// Task is the definition of a task: a name, a function and its options. It is pure
// data, registered nowhere; one definition serves any number of runtimes.
type Task[A any] struct {
	def *definition
}

// Define defines a task. The name is what spans, records and metrics show: keep it
// the same for all runs, and put ids into Attributes. A is the type of the arguments:
// they are rendered for telemetry, redacted, so a struct with named fields is best,
// and they must not be changed once the task is scheduled.
//
// A definition without a name or function can't be scheduled: ErrInvalidTask.
func Define[A any](name string, fn func(context.Context, A) error, opts ...TaskOption) *Task[A] {
	d := &definition{name: name, opts: opts}
	if fn != nil {
		d.function = functionName(fn)
		d.codec = codecOf[A]()
		// The generic type ends here: behind this closure everything is plain code.
		d.invoke = func(ctx context.Context, args any) error {
			a, _ := args.(A) // fails only for a nil interface, whose zero value is right
			return fn(ctx, a)
		}
	}
	return &Task[A]{def: d}
}

// With binds the arguments of one run.
func (t *Task[A]) With(args A) Job {
	if t == nil {
		return Job{}
	}
	return Job{def: t.def, args: args}
}

// Fallback returns a copy of the task with a fallback: alt is called with the same
// arguments, once, when the task has failed for good, that is, when no handler decided
// otherwise and no retry is left. If alt succeeds, so does the task. Of alt, function and
// Timeout count, not its handlers or its own fallback.
func (t *Task[A]) Fallback(alt *Task[A]) *Task[A] {
	if t == nil {
		return nil
	}
	d := &definition{
		name: t.def.name, function: t.def.function, opts: t.def.opts, invoke: t.def.invoke, codec: t.def.codec,
		fallback: &definition{},
	}
	if alt != nil {
		d.fallback = alt.def
	}
	return &Task[A]{def: d}
}

// Name returns the name that the task was defined with.
func (t *Task[A]) Name() string {
	if t == nil {
		return ""
	}
	return t.def.name
}

func (t *Task[A]) definition() *definition {
	if t == nil {
		return nil
	}
	return t.def
}

// Definition is any *Task[A], whatever its arguments.
type Definition interface {
	Name() string
	definition() *definition
}

// Job is a task with its arguments, ready to be scheduled, any number of times. The
// zero Job can't be scheduled: ErrInvalidTask.
type Job struct {
	def  *definition // nil for a closure
	args any

	// A closure brings a new function each time, which leaves nothing to keep in a
	// definition: what there is to compute once is kept by name and code, see plans.
	name string
	fn   func(context.Context) error
}

// Func makes a Job of a closure, as http.HandlerFunc makes a handler of a function.
// What the closure captured is not rendered: a definition tells more.
func Func(name string, fn func(context.Context) error) Job {
	return Job{name: name, fn: fn}
}

// check tells what makes the job unusable, if anything does.
func (j Job) check() error {
	if j.def != nil {
		return j.def.check()
	}
	if j.name == "" && j.fn == nil {
		return fmt.Errorf("%w: the Job is empty: make it with Task.With or Func", ErrInvalidTask)
	}
	return checkTask(j.name, j.fn != nil)
}

// call calls the job's function.
func (j Job) call(ctx context.Context) error {
	if j.def != nil {
		return j.def.invoke(ctx, j.args)
	}
	return j.fn(ctx)
}

// definition is what Define knows, with the argument type erased.
type definition struct {
	name     string
	function string // code.function.name
	opts     []TaskOption
	invoke   func(context.Context, any) error
	codec                // of the arguments, should they go through a queue
	fallback *definition // nil: none

	// planned caches the plans of the runtime that used the definition last: nearly
	// always there is one.
	planned atomic.Pointer[plans]
}

func (d *definition) check() error {
	err := checkTask(d.name, d.invoke != nil)
	if d.fallback != nil {
		if ferr := d.fallback.check(); ferr != nil {
			err = errors.Join(err, fmt.Errorf("the fallback of task %q: %w", d.name, ferr))
		}
	}
	return err
}

func checkTask(name string, hasFunc bool) error {
	var faults []error
	if name == "" {
		faults = append(faults, errors.New("it has no name"))
	}
	if !utf8.ValidString(name) {
		faults = append(faults, errors.New("its name is not UTF-8"))
	}
	if !hasFunc {
		faults = append(faults, errors.New("it has no function"))
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w %q: %w", ErrInvalidTask, name, errors.Join(faults...))
}

// functionName is the full name of a function, as code.function.name wants it.
func functionName(fn any) string {
	if f := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()); f != nil {
		return strings.TrimSuffix(f.Name(), "-fm") // the compiler's mark of a method value
	}
	return ""
}
