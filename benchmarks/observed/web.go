package main

import (
	"github.com/postlude/postlude/benchmarks/internal/contend"
	"github.com/postlude/postlude/benchmarks/internal/figures"
)

// web is the section of servers.
type web struct {
	requests int
	rounds   int
}

var served = []string{noTask, contend.ByHand, onPond, slogPostlude, ourPostlude}

func (web) name() string { return httpName }

func (w web) spec(kind string) spec {
	return spec{Measure: httpName, Kind: kind, Sampling: contend.Sampled, N: w.requests}
}

func (w web) groups() []group {
	g := group{rounds: w.rounds}
	for _, kind := range served {
		g.specs = append(g.specs, w.spec(kind))
	}
	return []group{g}
}

func (w web) write(r *report) {
	r.heading("A task for each request")
	r.text(`A server with otelhttp on a loopback address and one core (GOMAXPROCS=1), its handler does nothing but to schedule;
%d connections, each of which sends its next request when the last was answered. By hand the task starts at once,
Postlude's when the response has been sent. The ratio is that of the requests/s to a server without a task.`, connections)
	t := figures.Table{Head: []string{"handler", requestsPerSecond, "ratio", "lowest – highest", cpuPerRequest, latencyP50, latencyP99}}
	for _, kind := range served {
		s := w.spec(kind)
		median, extremes := r.results.ratioCells(s, w.spec(noTask), requestsPerSecond)
		if median != "" {
			t.Add(kind, r.results.cell(s, requestsPerSecond), median, extremes,
				r.results.cell(s, cpuPerRequest), r.results.cell(s, latencyP50), r.results.cell(s, latencyP99))
		}
	}
	r.table(t)
}
