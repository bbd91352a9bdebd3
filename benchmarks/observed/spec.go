package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/postlude/postlude/benchmarks/internal/contend"
)

// spec is one measurement of one contender, as it is handed to the process that makes it.
type spec struct {
	Measure    string
	Kind       string
	Sampling   contend.Sampling
	Workers    int  `json:",omitempty"` // where there is a bound; 0: the contender's own
	Submitters int  `json:",omitempty"`
	N          int  `json:",omitempty"` // tasks
	Percent    int  `json:",omitempty"` // of them that fail
	Rate       int  `json:",omitempty"` // tasks per second
	Own        bool `json:",omitempty"` // each task is of a request of its own
	Lean       bool `json:",omitempty"` // Postlude's LeanContext
	Drops      bool `json:",omitempty"` // the batch processor may drop spans
	NoLog      bool `json:",omitempty"` // no records
}

// values are what came of a measurement, by unit.
type values map[string]float64

// measurements are what a process can be asked for.
func measurements() map[string]func(context.Context, spec) (values, error) {
	return map[string]func(context.Context, spec) (values, error){
		costName: cost, queuedName: queued, waitingName: waiting, delayedName: delayed,
		retriesName: retries, failuresName: failures, pacedName: paced,
		httpName: overHTTP,
	}
}

// patience is how long one measurement may take, before it is taken for stuck.
const patience = 2 * time.Minute

func (s spec) measure(ctx context.Context) (values, error) {
	m, ok := measurements()[s.Measure]
	if !ok {
		return nil, fmt.Errorf("there is no measurement %q", s.Measure)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not done within %v", patience))
	defer cancel()
	return m(ctx, s)
}

// String is what -only is matched with.
func (s spec) String() string {
	text := s.Measure + "/" + s.Kind
	if s.Sampling != "" {
		text += "/" + string(s.Sampling)
	}
	for _, part := range []struct {
		n    int
		name string
	}{{s.Submitters, "submitters"}, {s.N, "tasks"}, {s.Rate, "per second"}, {s.Percent, "percent"}} {
		if part.n > 0 {
			text += fmt.Sprintf("/%d %s", part.n, part.name)
		}
	}
	for _, part := range []struct {
		on   bool
		name string
	}{{s.Own, "own"}, {s.Lean, "lean"}, {s.Drops, "drops"}} {
		if part.on {
			text += "/" + part.name
		}
	}
	return text
}

// start makes the contender of s, and its telemetry, whose records go to w.
func (s spec) start(body contend.Body, w io.Writer) (contend.Contender, *contend.Telemetry, error) {
	kind, err := s.kind()
	if err != nil {
		return nil, nil, err
	}
	log := kind.Log
	if s.NoLog {
		log = contend.NoLog
	}
	tel := contend.NewTelemetry(contend.TelemetryConfig{Sampling: s.Sampling, Log: log, SDKSpans: kind.SDKSpans, Output: w, Drops: s.Drops})
	out, err := kind.New(contend.Config{Telemetry: tel, Body: body, Workers: s.Workers, Handlers: s.Measure == failuresName, Lean: s.Lean})
	return out, tel, err
}

func (s spec) kind() (contend.Kind, error) {
	kind, ok := contend.Find(s.Kind)
	if !ok {
		return kind, fmt.Errorf("there is no contender %q", s.Kind)
	}
	return kind, nil
}
