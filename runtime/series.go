package postlude

import (
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/postlude/postlude/runtime/taskconv"
)

// stats are what is counted of the tasks of one name.
type stats struct {
	retries     uint64 // guarded by the queue's lock
	ran, queued recorder
	timings     [timings]*series // guarded by Runtime.mu; nil until there is one
}

// series is one name and timing: what is counted of it, and the metric attributes that
// would cost more than the counting. What each task changes is counted here and read when
// metrics are collected: an atomic in place of the SDK's five additions for a task.
type series struct {
	*stats
	tally  tally // guarded by the queue's lock
	ok     atomic.Int64
	failed sync.Map                     // failureLabel to *failedSeries
	last   atomic.Pointer[failedSeries] // of failed, as most tasks fail for one reason
	kinds  atomic.Int64                 // entries of failed

	labels   [2]attribute.KeyValue
	gauge    []metric.AddOption // name, timing
	shown    []metric.ObserveOption
	waited   []metric.RecordOption
	okShown  []metric.ObserveOption // and outcome ok
	okTime   []metric.RecordOption
	verdicts [requeue + 1][]metric.AddOption // and verdict
}

// failureLabel is what tells the series of failed attempts apart.
type failureLabel struct {
	kind      Kind
	errorType string
}

// failedSeries are the failed attempts of one label.
type failedSeries struct {
	label failureLabel
	n     atomic.Int64
	shown []metric.ObserveOption
	time  []metric.RecordOption
}

// maxFailureLabels bounds what a series tells apart, and otherError takes the rest; a
// program has few types of error.
const maxFailureLabels = 256

var otherError = failureLabel{KindError, "_OTHER"} // as the semantic conventions have it

// maxNames bounds the names that are counted apart, and other takes the rest: who puts
// ids into names shall not run out of memory for it.
const (
	maxNames = 1024
	other    = "(other)"
)

// seriesOf returns what counts the tasks of a name and timing.
func (rt *Runtime) seriesOf(name string, when timing) *series {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if _, known := rt.stats[name]; !known && len(rt.stats) >= maxNames {
		name = other
	}
	st := rt.stats[name]
	if st == nil {
		st = new(stats)
		rt.stats[name] = st
	}
	if st.timings[when] == nil {
		st.timings[when] = newSeries(st, name, when)
	}
	return st.timings[when]
}

func newSeries(st *stats, name string, when timing) *series {
	s := &series{stats: st}
	s.labels = [2]attribute.KeyValue{attribute.String(taskconv.TaskName, name), attribute.String(taskconv.TaskTiming, when.String())}
	base := s.with()
	s.gauge, s.shown, s.waited = []metric.AddOption{base}, []metric.ObserveOption{base}, []metric.RecordOption{base}
	ok := s.with(attribute.String(taskconv.TaskOutcome, taskconv.OutcomeOK))
	s.okShown, s.okTime = []metric.ObserveOption{ok}, []metric.RecordOption{ok}
	for v := range s.verdicts {
		s.verdicts[v] = []metric.AddOption{s.with(attribute.String(taskconv.TaskVerdict, action(v).String()))}
	}
	return s
}

// with is the option of the series' attributes and more.
func (s *series) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(append(more, s.labels[:]...)...))
}

// failures returns the series of the failed attempts of one kind.
func (s *series) failures(kind Kind, errorType string) *failedSeries {
	label := failureLabel{kind, errorType}
	if f := s.last.Load(); f != nil && f.label == label {
		return f
	}
	if f, ok := s.failed.Load(label); ok {
		s.last.Store(f.(*failedSeries))
		return f.(*failedSeries)
	}
	if s.kinds.Load() >= maxFailureLabels {
		label = otherError
	}
	o := s.with(attribute.String(taskconv.TaskOutcome, string(label.kind)), attribute.String(taskconv.ErrorType, label.errorType))
	f, there := s.failed.LoadOrStore(label, &failedSeries{label: label, shown: []metric.ObserveOption{o}, time: []metric.RecordOption{o}})
	if !there {
		s.kinds.Add(1)
	}
	return f.(*failedSeries)
}

// allSeries returns those of every name.
func (rt *Runtime) allSeries() (list []*series) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	for _, st := range rt.stats {
		for _, s := range st.timings {
			if s != nil {
				list = append(list, s)
			}
		}
	}
	return list
}

// observeSeries makes the counts metrics.
func (rt *Runtime) observeSeries(o metric.Observer) {
	m, list := rt.meters, rt.allSeries()
	tallies := make([]tally, len(list))
	rt.queue.read(func(*queue) {
		for i, s := range list {
			tallies[i] = s.tally
		}
	})
	for i, s := range list {
		o.ObserveInt64(m.Active, int64(tallies[i][inFlight]), s.shown...)
		o.ObserveInt64(m.Pending, int64(tallies[i][pending]+tallies[i][waitingRetry]), s.shown...)
		if n := s.ok.Load(); n > 0 {
			o.ObserveInt64(m.Attempts, n, s.okShown...)
		}
		s.failed.Range(func(_, v any) bool {
			f := v.(*failedSeries)
			o.ObserveInt64(m.Attempts, f.n.Load(), f.shown...)
			return true
		})
	}
}
