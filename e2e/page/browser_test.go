package page

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/postlude/postlude/e2e/internal/need"
)

// patience is how long a test waits for what should be there in a second or two.
const patience = 15 * time.Second

// browser is the one that the tests share; each has its own tab.
type browser struct {
	once   sync.Once
	ctx    context.Context
	cancel context.CancelFunc
	err    error
}

var shared browser

// theBrowser starts the browser when it is first needed. Without one the test is skipped.
func theBrowser(t *testing.T) context.Context {
	t.Helper()
	path := need.Program(t, "chromium", "chromium", "chromium-browser", "google-chrome", "chrome")
	shared.once.Do(func() { shared.start(path) })
	if shared.err != nil {
		t.Fatalf("the browser does not start: %v", shared.err)
	}
	return shared.ctx
}

func (b *browser) start(path string) {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1440, 1000))
	if os.Geteuid() == 0 { // Chromium's sandbox refuses root
		opts = append(opts, chromedp.NoSandbox)
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	b.ctx, _ = chromedp.NewContext(allocator)
	b.cancel = func() {
		_ = chromedp.Cancel(b.ctx) // it waits for the process
		cancel()
	}
	b.err = chromedp.Do(b.ctx)
}

func (b *browser) close() {
	if b.cancel != nil {
		b.cancel()
	}
}

// tab is a tab of the browser, and what its console was told.
type tab struct {
	t       *testing.T
	ctx     context.Context
	mu      sync.Mutex
	console []chromedp.ConsoleMessage
}

// openTab opens an address in a tab of its own. At the end of the test the console has to
// be empty: no script failed, and nothing was against the Content-Security-Policy. What is
// about the network is not looked at if the test says so, because it makes that fail.
func openTab(t *testing.T, url string, networkFails bool) *tab {
	t.Helper()
	ctx, _ := chromedp.NewContext(theBrowser(t))
	p := &tab{t: t, ctx: ctx}
	messages := chromedp.Console(ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			p.mu.Lock()
			p.console = append(p.console, m)
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the page says:\n%s", p.text("body"))
		}
		_ = chromedp.Cancel(ctx)
		reading.Wait()
		for _, m := range p.console {
			if !networkFails || m.Source != "network" {
				t.Errorf("the console says: %s", m)
			}
		}
	})
	p.do(chromedp.Navigate(url))
	return p
}

func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// eval returns the value of a JavaScript expression in the page.
func eval[T any](p *tab, js string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](js))
	if err != nil {
		p.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// wait blocks until a JavaScript expression is true.
func (p *tab) wait(js string) {
	p.t.Helper()
	ticker := time.NewTicker(30 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !eval[bool](p, "Boolean("+js+")"); <-ticker.C {
		if time.Now().After(deadline) {
			p.t.Fatalf("it does not come true: %s", js)
		}
	}
}

// text is what a person reads in an element.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return eval[string](p, "document.querySelector("+quote(selector)+")?.innerText ?? ''")
}

// waitText blocks until a person can read all the words in an element.
func (p *tab) waitText(selector string, words ...string) {
	p.t.Helper()
	for _, w := range words {
		p.wait("document.querySelector(" + quote(selector) + ")?.innerText.includes(" + quote(w) + ")")
	}
}

func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// keys presses one key after the other. A key that the page has taken for itself types
// nothing, as in a window; chromedp.KeyEvent would type it nevertheless.
func (p *tab) keys(keys ...string) {
	p.t.Helper()
	for _, r := range strings.Join(keys, "") {
		events := kb.Encode(r)
		text := ""
		for _, e := range events {
			if e.Type == kb.KeyChar {
				text = e.Text
			}
		}
		for _, e := range events {
			if e.Type == kb.KeyChar {
				continue
			}
			if e.Type != kb.KeyUp && text != "" {
				e.Type, e.Text = input.DispatchKeyEventTypeKeyDown, text
			}
			if _, err := chromedp.Call(p.ctx, input.DispatchKeyEvent, *e); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// quote makes a JavaScript string of s.
func quote(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// waitLines blocks until a JavaScript expression is true of rows, the texts of the list.
func (p *tab) waitLines(js string) {
	p.t.Helper()
	p.wait("((rows) => " + js + ")([...document.querySelectorAll('#panel tbody tr')].map(r => r.innerText))")
}
