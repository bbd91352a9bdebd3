package page

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postlude/postlude/dashboards/taskz"
	postlude "github.com/postlude/postlude/runtime"
	"github.com/postlude/postlude/runtime/durable/durabletest"
)

// TestActions: with authorisation they are done, without they are refused, and who has
// switched them off has no buttons.
func TestActions(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	long, other := hold(t, rt, "export"), hold(t, rt, "export_too")
	waits, err := postlude.Go(rt.Context(context.Background()), postlude.Func("flaky", fails), postlude.OnError(postlude.Retry{Max: 1, Base: time.Hour}))
	if err != nil {
		t.Fatal(err)
	}

	off := openTab(t, newSite(t, rt, taskz.Config{}).url("#tab=running"), false)
	off.waitLines("rows.length === 2")
	off.waitText("#failing .card[data-severity=warn]", "flaky", "1 waiting for the next", "boom")
	if buttons := eval[int](off, "document.querySelectorAll('#panel td button').length"); buttons > 0 {
		t.Errorf("%d buttons that do nothing", buttons)
	}

	refused := openTab(t, newSite(t, rt, taskz.Config{
		Authorize: func(*http.Request) (string, error) { return "eve", errors.New("eve is not in the group operators") },
	}).url("#tab=running&q=export_too"), true)
	refused.waitLines("rows.length === 1")
	refused.click("#panel td.act button")
	refused.click("#panel td.act button.danger")
	refused.waitText("#notices", "not allowed", "eve is not in the group operators")
	if other.Err() != nil {
		t.Error("it was canceled nevertheless")
	}

	p := openTab(t, newSite(t, rt, taskz.Config{Authorize: anybody}).url("#tab=running&q="+long.ID()), false)
	p.waitLines("rows.length === 1")
	p.click("#panel td.act button")
	p.waitText("#panel td.act", "Cancel this task?", "Yes, cancel")
	p.keys("\x1b") // asked, and left
	p.wait("!document.querySelector('#panel td.act button.danger')")
	if long.Err() != nil {
		t.Error("it was canceled without a yes")
	}
	p.click("#panel td.act button")
	p.click("#panel td.act button.danger")
	p.waitText("#notices", "Cancel: canceling, by ada")
	<-long.Done()
	p.waitText("#panel", "Nothing matches")

	p.click("#clear")
	p.click("#tab-backoff")
	p.waitLines("rows.length === 1 && rows[0].includes('flaky')")
	p.click("#panel td.act button")
	<-waits.Done()
	p.waitText("#panel", "Nothing waits for a retry")
	other.Cancel()
}

// TestDisconnected: the server goes away and comes back; the page says so, and goes on.
func TestDisconnected(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	s := newSite(t, rt, taskz.Config{})
	run(t, rt, works, "before")
	p := openTab(t, s.url(""), true)
	p.waitLines("rows.length === 1")
	s.stop()
	p.waitText("#status", "Disconnected")
	p.waitText("#banners", "No data since", "Reconnecting")
	p.wait("document.body.dataset.stale === ''")
	p.waitLines("rows.length === 1") // what was known is still there
	run(t, rt, works, "after")
	s.start()
	p.waitText("#status", "Live")
	p.waitLines("rows.length === 2")
	p.wait("document.querySelector('#banners').innerText === ''")
}

// TestWithoutStream: what is in between may not let streams through.
func TestWithoutStream(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	s := newSite(t, rt, taskz.Config{})
	s.stop()
	s.wrap = func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(struct{ http.ResponseWriter }{w}, r) // hides http.Flusher
		})
	}
	s.start()
	p := openTab(t, s.url(""), true)
	p.waitText("#status", "Live")
	run(t, rt, works, "seen")
	p.waitLines("rows.length === 1 && rows[0].startsWith('seen')")
}

// TestShutdown: it is shown while it lasts.
func TestShutdown(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	release := make(chan struct{})
	_, err := postlude.Go(rt.Context(context.Background()), postlude.Func("charge", func(context.Context) error { <-release; return nil }), postlude.Shield(true))
	if err != nil {
		t.Fatal(err)
	}
	p := openTab(t, newSite(t, rt, taskz.Config{}).url(""), false)
	p.waitLines("rows.length === 1")
	var ended sync.WaitGroup
	ended.Go(func() { _, _ = rt.Shutdown(context.Background()) })
	p.waitText("#banners", "Shutdown in progress", "1 task running")
	close(release)
	ended.Wait()
	p.waitText("#banners", "0 tasks running")
}

// TestDeadLetters: page by page, with their arguments, retried and discarded.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	engine := durabletest.NewEngine()
	fixed := make(chan struct{})
	task := postlude.Define("write_invoice", func(context.Context, order) error {
		select {
		case <-fixed:
			return nil
		default:
			return errBoom
		}
	}, postlude.Durable())
	rt := newRuntime(t, postlude.Config{Engine: engine, Tasks: []postlude.Definition{task}})
	for range 30 {
		if _, err := postlude.Go(rt.Context(context.Background()), task.With(order{Order: "o-17", Card: "4111"})); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(rt.Wait(t.Context()), engine.Idle(t.Context())); err != nil {
		t.Fatal(err)
	}
	p := openTab(t, newSite(t, rt, taskz.Config{Authorize: anybody}).url("#tab=durable"), false)
	p.waitText("#tabs", "Durable 30")
	const letters = "#panel .list:last-of-type tbody tr"
	count := func(n string) { p.wait("document.querySelectorAll(" + quote(letters) + ").length === " + n) }
	count("25")
	p.click("#panel > div > .more")
	count("30")
	p.click(letters + " a.open")
	p.waitText("#drawer", `"Order": "o-17"`, `"Card": "[REDACTED]"`, "boom", "Failed attempts (1)")
	p.click("#drawer .action:last-child button")
	p.waitText("#drawer", "Delete it for good?")
	p.click("#drawer button.danger")
	p.waitText("#notices", "Discard: discarded, by ada")
	p.wait("document.querySelector('#drawer').hidden")
	count("29")
	oldest := eval[string](p, "[...document.querySelectorAll("+quote(letters+" a.open")+")].at(-1).hash")
	p.click(letters + ":last-child .action button")
	p.wait("document.querySelector(" + quote(letters+" a.open") + ").hash === " + quote(oldest)) // it has failed again
	count("29")
	close(fixed)
	p.click(letters + " .action button")
	p.waitText("#notices", "Retry: requeued, by ada")
	p.waitText("#tabs", "Durable 28")
	if text := p.text("#panel"); !strings.Contains(text, "default") {
		t.Errorf("the queue is not there: %s", text)
	}
}
