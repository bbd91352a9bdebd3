package postlude

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/postlude/postlude/internal/tasklog"
	"github.com/postlude/postlude/otelx"
	"github.com/postlude/postlude/runtime/taskconv"
)

// plans is what a runtime computes once for a definition, or for the closures of one
// name and code.
type plans struct {
	rt       *Runtime
	def      *definition // nil for closures
	name     string
	function string
	invoke   func(context.Context, any) error
	base     *settings // Config.Defaults and the definition's options
	warn     sync.Once
	cases    [timings][2][2]atomic.Pointer[plan] // by timing, shield, own trace
}

// plan is all of a task's telemetry that depends only on its definition, timing and
// shield: span, log handler and metric attributes are the costly part of a task.
type plan struct {
	*plans
	*series
	when   timing
	shield bool
	span   *otelx.Template // of an attempt
	log    slog.Handler
	short  tasklog.Handler // log, if it knows the short way; else nil

	schedule *otelx.Template // of the enqueueing of a durable task; nil for others
}

// plansOf returns the plans for j, or what is wrong with its definition.
func (rt *Runtime) plansOf(j Job) (*plans, error) {
	if j.def == nil {
		return rt.closures.plansOf(rt, j)
	}
	if ps := j.def.planned.Load(); ps != nil && ps.rt == rt {
		return ps, nil
	}
	if err := j.def.check(); err != nil {
		return nil, err
	}
	base := rt.defaults.withTask(j.def.opts)
	if err := base.err(); err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrInvalidTask, j.def.name, err)
	}
	ps := &plans{
		rt: rt, def: j.def, name: j.def.name, function: j.def.function, invoke: j.def.invoke,
		base: base,
	}
	j.def.planned.Store(ps)
	return ps, nil
}

// plan returns the plan for one combination, making it if it is the first of its kind.
func (ps *plans) plan(when timing, set *settings) *plan {
	slot := &ps.cases[when][index(set.shield)][index(set.relation != ChildOf)]
	if p := slot.Load(); p != nil {
		return p
	}
	p := ps.rt.newPlan(ps, when, set)
	slot.Store(p) // a race makes the same plan twice
	return p
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (rt *Runtime) newPlan(ps *plans, when timing, set *settings) *plan {
	name, tim := attribute.String(taskconv.TaskName, ps.name), attribute.String(taskconv.TaskTiming, when.String())
	span := []attribute.KeyValue{name, tim, attribute.Bool(taskconv.TaskShield, set.shield)}
	if ps.function != "" {
		span = append(span, attribute.String(taskconv.CodeFunctionName, ps.function))
	}
	p := &plan{
		plans: ps, series: rt.seriesOf(ps.name, when), when: when, shield: set.shield,
		span: otelx.NewTemplate(otelx.TemplateConfig{
			Tracer: rt.tracer, Scope: scopeInfo, Name: taskconv.SpanRun + ps.name,
			Kind: trace.SpanKindConsumer, NewRoot: set.relation != ChildOf, Attributes: span,
		}),
		log: rt.log.WithAttrs([]slog.Attr{
			slog.String(taskconv.TaskName, ps.name),
			slog.String(taskconv.TaskTiming, when.String()),
			slog.Bool(taskconv.TaskShield, set.shield),
		}),
	}
	p.short, _ = p.log.(tasklog.Handler)
	if set.durable {
		p.schedule = otelx.NewTemplate(otelx.TemplateConfig{
			Tracer: rt.tracer, Scope: scopeInfo, Name: taskconv.SpanSchedule + ps.name,
			Kind: trace.SpanKindProducer, Attributes: span,
		})
	}
	return p
}

// maxClosures bounds how many closures a runtime remembers. A program has as many as
// its source has Func calls, unless their names contain ids; then the rest is planned
// anew each time, and warned of once.
const maxClosures = 1024

// closures are the plans of Func jobs, by name and code.
type closures struct {
	plans sync.Map
	count atomic.Int64
	warn  sync.Once
}

type closureKey struct {
	name string
	code uintptr
}

// callClosure calls the closure that takes the place of the arguments.
func callClosure(ctx context.Context, fn any) error { return fn.(func(context.Context) error)(ctx) }

func (c *closures) plansOf(rt *Runtime, j Job) (*plans, error) {
	if err := j.check(); err != nil {
		return nil, err
	}
	key := closureKey{j.name, reflect.ValueOf(j.fn).Pointer()}
	if ps, ok := c.plans.Load(key); ok {
		return ps.(*plans), nil
	}
	ps := &plans{rt: rt, name: j.name, function: functionName(j.fn), invoke: callClosure, base: rt.defaults}
	if c.count.Add(1) > maxClosures {
		c.count.Add(-1)
		c.warn.Do(func() {
			rt.warn("more than %d names of closures: the name of a task must not contain an id; use Attributes", maxClosures)
		})
		return ps, nil
	}
	actual, loaded := c.plans.LoadOrStore(key, ps)
	if loaded {
		c.count.Add(-1)
	}
	return actual.(*plans), nil
}
