package postlude_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	postlude "github.com/postlude/postlude/runtime"
)

// This file is about tasks that are stopped while they wait for their timing.

// noted is a task that notes the call of its function.
func noted(d *diary, name string) postlude.Job {
	return postlude.Func(name, func(context.Context) error {
		d.note(name)
		return nil
	})
}

// TestCancelGated: a task that is canceled before its time ends at once, without its
// function's being called. Those behind it don't wait for it.
func TestCancelGated(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		for canceled := range 3 {
			h, d := newHTTP(t, postlude.Config{})
			var runs []postlude.Run
			ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				for _, name := range []string{"route 1", "route 2", "route 3"} {
					runs = append(runs, accepted(t)(postlude.AfterRoute(r.Context(), quickJob(name))))
				}
				for _, name := range []string{"sent 1", "sent 2", "sent 3"} {
					runs = append(runs, accepted(t)(postlude.AfterResponse(r.Context(), quickJob(name))))
				}
				for _, run := range []postlude.Run{runs[canceled], runs[3+canceled]} {
					run.Cancel()
					awaitClosed(t, "the end of the canceled task", run.Done())
					if !isClosed(run.Started()) || !errors.Is(run.Err(), postlude.ErrCanceled) {
						t.Errorf("canceled task: started %t, error %v", isClosed(run.Started()), run.Err())
					}
				}
			})))
			fetch(t, ts)
			h.Settle()
			route, sent := []string{"run route 1", "run route 2", "run route 3"}, []string{"run sent 1", "run sent 2", "run sent 3"}
			want := []string{route[canceled], sent[canceled]} // an attempt's span tells of it
			want = append(want, slices.Delete(route, canceled, canceled+1)...)
			d.expect(t, append(want, slices.Delete(sent, canceled, canceled+1)...)...)
			if c := h.Runtime().Snapshot().Counts; c.Canceled != 2 || c.Succeeded != 4 {
				t.Errorf("counts: %+v", c)
			}
		}
	})
}

// TestCancelGatedDoesNotCall the function.
func TestCancelGatedDoesNotCall(t *testing.T) {
	h, d := newHTTP(t, postlude.Config{})
	ts := serveMode{attached: true}.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(
		func(_ http.ResponseWriter, r *http.Request) {
			route := accepted(t)(postlude.AfterRoute(r.Context(), noted(d, "route is called")))
			sent := accepted(t)(postlude.AfterResponse(r.Context(), noted(d, "sent is called")))
			route.Cancel()
			sent.Cancel()
		})))
	fetch(t, ts)
	h.Settle()
	d.mu.Lock()
	defer d.mu.Unlock()
	if slices.Contains(d.entries, "route is called") || slices.Contains(d.entries, "sent is called") {
		t.Errorf("what happened: %q", d.entries)
	}
}

// TestCancelFromAnotherTask races with the starts: whoever wins, nobody is held up.
func TestCancelFromAnotherTask(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, _ := newHTTP(t, postlude.Config{})
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			victims := make(chan postlude.Run, 4)
			accepted(t)(postlude.Go(r.Context(), postlude.Func("cancels", func(context.Context) error {
				for run := range victims {
					run.Cancel()
				}
				return nil
			})))
			for range 2 {
				victims <- accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route")))
				accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route, spared")))
				victims <- accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent")))
				accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent, spared")))
			}
			close(victims)
		})))
		const requests = 25
		for range requests {
			fetch(t, ts)
		}
		h.Settle()
		if c := h.Runtime().Snapshot().Counts; c.Scheduled != 9*requests || c.Succeeded+c.Canceled != c.Scheduled || c.Succeeded < 5*requests {
			t.Errorf("counts: %+v", c)
		}
	})
}

// TestShutdownDropsGated: of the tasks that wait for their timing, shutdown drops the
// unshielded ones; the shielded ones get their turn when the request ends.
func TestShutdownDropsGated(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		entered, goOn := make(chan struct{}), make(chan struct{})
		var unshielded []postlude.Run
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			shield := postlude.Shield(true)
			unshielded = append(unshielded,
				accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route"))),
				accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent"))))
			accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent, shielded"), shield))
			accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route, shielded"), shield))
			close(entered)
			<-goOn
			if _, err := postlude.AfterResponse(r.Context(), quickJob("refused"), shield); !errors.Is(err, postlude.ErrShuttingDown) {
				t.Errorf("AfterResponse in shutdown: %v, want ErrShuttingDown", err)
			}
			d.note("handler returns")
		})))
		reports := make(chan postlude.Report, 1)
		go func() {
			<-entered
			report, err := h.Runtime().Shutdown(context.Background())
			if err != nil {
				t.Error(err)
			}
			reports <- report
		}()
		go func() {
			<-entered
			for _, run := range unshielded {
				awaitClosed(t, "the drop", run.Done())
				if !errors.Is(run.Err(), postlude.ErrShuttingDown) || !isClosed(run.Started()) {
					t.Errorf("dropped task: started %t, error %v", isClosed(run.Started()), run.Err())
				}
			}
			close(goOn)
		}()
		fetch(t, ts)
		report := <-reports
		d.expect(t, "handler returns", "run route, shielded", "run sent, shielded")
		if report.Dropped != 2 || report.Succeeded != 2 || len(report.Leftovers) != 2 {
			t.Errorf("report: %+v", report)
		}
	})
}

// TestShutdownAtItsEndDropsShieldedGated: a request that does not end does not hold up
// shutdown for longer than its context.
func TestShutdownAtItsEndDropsShieldedGated(t *testing.T) {
	inModes(t, allModes, func(t *testing.T, m serveMode) {
		h, d := newHTTP(t, postlude.Config{})
		entered, goOn := make(chan struct{}), make(chan struct{})
		ts := m.serve(t, h.Runtime(), h.Runtime().Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			accepted(t)(postlude.AfterRoute(r.Context(), quickJob("route"), postlude.Shield(true)))
			accepted(t)(postlude.AfterResponse(r.Context(), quickJob("sent"), postlude.Shield(true)))
			close(entered)
			<-goOn
		})))
		go func() {
			defer close(goOn)
			<-entered
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			report, err := h.Runtime().Shutdown(ctx)
			if !errors.Is(err, context.Canceled) || report.Dropped != 2 || len(report.Leftovers) != 2 {
				t.Errorf("report: %+v, error %v", report, err)
			}
		}()
		fetch(t, ts)
		h.Settle()
		d.expect(t)
	})
}
