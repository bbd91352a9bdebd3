package page

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/postlude/postlude/dashboards/taskz"
	postlude "github.com/postlude/postlude/runtime"
)

func anybody(*http.Request) (string, error) { return "ada", nil }

var errBoom = errors.New("boom")

func works(context.Context) error { return nil }
func fails(context.Context) error { return errBoom }

// run schedules closures, and waits until they are over.
func run(t *testing.T, rt *postlude.Runtime, fn func(context.Context) error, names ...string) (ids []string) {
	t.Helper()
	for _, name := range names {
		r, err := postlude.Go(rt.Context(context.Background()), postlude.Func(name, fn))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID())
	}
	if err := rt.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ids
}

// hold schedules a task that runs until it is canceled.
func hold(t *testing.T, rt *postlude.Runtime, name string) postlude.Run {
	t.Helper()
	r, err := postlude.Go(rt.Context(context.Background()), postlude.Func(name, func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}))
	if err != nil {
		t.Fatal(err)
	}
	<-r.Started()
	return r
}

// TestLiveUpdate: from an empty runtime to one that fails, without a reload.
func TestLiveUpdate(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	p := openTab(t, newSite(t, rt, taskz.Config{Title: "shop"}).url(""), false)
	p.waitText("#status", "Live")
	p.waitText("#failing", "No task has run yet")
	p.waitText("#panel", "No task has been scheduled yet")
	run(t, rt, works, "count_order", "count_order", "send_receipt")
	p.waitLines("rows.length === 2 && rows[0].startsWith('count_order')")
	p.waitText("#failing", "Nothing has failed")
	run(t, rt, fails, "send_receipt")
	p.waitText("#failing .card[data-severity=bad]", "send_receipt", "1 of 2 failed", "boom")
	p.waitLines("rows[0].includes('send_receipt') && rows[0].includes('failing')")
	p.wait("document.title === '(1) shop'")
	r := hold(t, rt, "export")
	p.waitText("#tabs", "Running 1")
	r.Cancel()
	p.waitText("#tabs", "Running 0")
}

// TestFilters: what is found, and that the address keeps it for a colleague.
func TestFilters(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	s := newSite(t, rt, taskz.Config{})
	run(t, rt, works, "count_order", "send_receipt", "send_mail")
	ids := run(t, rt, fails, "charge")
	run(t, rt, func(context.Context) error { panic(&declinedError{"expired"}) }, "charge_again")

	p := openTab(t, s.url(""), false)
	p.waitLines("rows.length === 5")
	p.keys("/")
	p.keys("S", "e", "N", "d")
	p.waitLines("rows.length === 2 && rows.every(r => r.startsWith('send_'))")
	p.click("#clear")
	p.waitLines("rows.length === 5")
	eval[any](p, "(state.value = 'failing', state.dispatchEvent(new Event('change')), null)")
	p.waitLines("rows.length === 2 && rows.every(r => r.startsWith('charge'))")
	eval[any](p, "(type.value = '*page.declinedError', type.dispatchEvent(new Event('change')), null)")
	p.waitLines("rows.length === 1 && rows[0].startsWith('charge_again')")

	colleague := openTab(t, eval[string](p, "location.href"), false)
	colleague.waitLines("rows.length === 1 && rows[0].startsWith('charge_again')")
	byID := openTab(t, s.url("#tab=failures&q="+ids[0]), false)
	byID.waitLines("rows.length === 1 && rows[0].includes('boom')")
	nothing := openTab(t, s.url("#q=no+such+task"), false)
	nothing.waitText("#panel", "Nothing matches")
}

// TestFailureDetail: who is paged has error, trace and arguments with one click.
func TestFailureDetail(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	s := newSite(t, rt, taskz.Config{})
	flaky := postlude.Define("charge", func(context.Context, order) error { return &declinedError{"expired"} },
		postlude.OnError(postlude.Retry{Max: 2, Base: 1}))
	r, err := postlude.Go(rt.Context(context.Background()), flaky.With(order{"o-17", "ada@example.com", 1999, "4111 1111"}))
	if err != nil {
		t.Fatal(err)
	}
	<-r.Done()
	run(t, rt, func(context.Context) error { panic("no stock") }, "panics")

	p := openTab(t, s.url(""), false)
	p.waitText("#failing", "charge", "panics")
	eval[any](p, "([...document.querySelectorAll('#failing a')].find(a => a.innerText === 'charge').click(), null)")
	p.waitText("#drawer", "*page.declinedError", "the card was declined: expired", `"Order": "o-17"`, `"Card": "[REDACTED]"`, "Failed attempts (3)", "retry (Retry)", r.ID())
	href := eval[string](p, "document.querySelector('#drawer a.trace').href")
	trace := eval[string](p, "[...document.querySelectorAll('#drawer dt')].find(d => d.innerText === 'Trace id').nextSibling.innerText")
	if len(trace) != 32 || href != "http://127.0.0.1:16686/trace/"+trace {
		t.Errorf("the trace is %q, and the link leads to %s", trace, href)
	}
	if focus := eval[string](p, "document.activeElement.innerText"); focus != "charge" {
		t.Errorf("the focus is at %q", focus)
	}
	colleague := openTab(t, eval[string](p, "location.href"), false)
	colleague.waitText("#drawer", `"Order": "o-17"`)
	eval[any](p, "(history.back(), null)")
	p.wait("document.querySelector('#drawer').hidden")
	eval[any](p, "([...document.querySelectorAll('#failing a')].find(a => a.innerText === 'panics').click(), null)")
	p.waitText("#drawer", "Stack", "page.TestFailureDetail", "None: a closure")

	gone := openTab(t, s.url("#open=failure:00000000-0000-7000-8000-000000000000"), true)
	gone.waitText("#drawer", "Not here", "no failure of this id is remembered")
}

// TestHostileTexts: markup in names, errors and arguments is text, and no script runs.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	const evil = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>`
	type args struct{ Note string }
	bad := postlude.Define(evil, func(context.Context, args) error { return errors.New(evil) })
	for _, j := range []postlude.Job{bad.With(args{evil}), postlude.Func(strings.Repeat("long_name_", 500), fails), postlude.Func("\u202enimda\u2028\x1b[31m", fails)} {
		if _, err := postlude.Go(rt.Context(context.Background()), j); err != nil {
			t.Fatal(err)
		}
	}
	if err := rt.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := openTab(t, newSite(t, rt, taskz.Config{Title: evil}).url("#q=%3Cimg+src%3Dx&open="+"task:"+"%3Cscript%3Ewindow.pwned=1%3C/script%3E"), false)
	p.waitText("#title", evil)
	p.waitText("#failing", evil)
	p.waitLines("rows.length === 1 && rows[0].includes('<script>')")
	p.waitText("#drawer", "<script>window.pwned=1</script>")
	eval[any](p, "([...document.querySelectorAll('#failing a')].find(a => a.innerText.startsWith('<img')).click(), null)")
	p.waitText("#drawer pre.args", "<img src=x")
	p.keys("2")
	p.waitText("#panel", evil)
	if eval[bool](p, "'pwned' in window || document.querySelectorAll('img, body script').length > 0") {
		t.Error("a script of a task's ran")
	}
	p.fits()
}

// TestManyNames: beyond what anybody reads, they are shown on demand.
func TestManyNames(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	var names []string
	for n := range 1030 {
		names = append(names, fmt.Sprintf("task_%04d", n))
	}
	run(t, rt, works, names...)
	p := openTab(t, newSite(t, rt, taskz.Config{}).url("#sort=name"), false)
	p.waitLines("rows.length === 200")
	p.waitText(".more", "Show all 1,025 rows")
	p.click(".more")
	p.waitLines("rows.length === 1025")
	eval[any](p, "([...document.querySelectorAll('a.open')].find(a => a.innerText === '(other)').click(), null)")
	p.waitText("#drawer", "Over a thousand names", "6 succeeded")
}

// TestKeyboard: a night's work without a mouse.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	run(t, rt, works, "a", "b", "c")
	run(t, rt, fails, "d")
	p := openTab(t, newSite(t, rt, taskz.Config{}).url("#sort=name"), false)
	p.waitLines("rows.length === 4")
	focused := func(want string) {
		t.Helper()
		p.wait("document.activeElement.innerText === " + quote(want))
	}
	p.keys("j", "j", "j", "k")
	focused("b")
	p.keys(kb.ArrowDown, kb.ArrowDown, kb.ArrowDown)
	focused("d")
	p.keys(kb.Enter)
	p.waitText("#drawer", "Since the start")
	focused("d")
	p.keys(kb.Escape)
	p.wait("document.querySelector('#drawer').hidden")
	if at := eval[string](p, "document.activeElement.className"); at != "open" {
		t.Errorf("the focus went to %q, and not back to the row", at)
	}
	p.keys("/", "c", kb.Enter)
	focused("c")
	p.keys("/", kb.Escape)
	p.waitLines("rows.length === 4")
	p.keys(kb.Escape, "2")
	p.waitLines("rows.length === 1 && rows[0].includes('boom')")
	p.wait("document.querySelector('#tab-failures').ariaSelected === 'true'")
	var themes []string
	for range 3 {
		p.keys("t")
		themes = append(themes, eval[string](p, "document.documentElement.dataset.theme ?? 'auto'"))
	}
	if !slices.Equal(themes, []string{"light", "dark", "auto"}) {
		t.Errorf("%v", themes)
	}
	visible := eval[string](p, "(document.querySelector('#theme').focus({focusVisible: true}), getComputedStyle(document.querySelector('#theme')).outlineStyle)")
	if visible != "solid" {
		t.Errorf("the focus is shown by an outline that is %s", visible)
	}
}
