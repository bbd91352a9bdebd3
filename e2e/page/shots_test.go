package page

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/postlude/postlude/dashboards/taskz"
)

// shots is the environment variable that says for how long the shop of the screenshots has
// been open, "16m" say; then they replace those in docs/. Without it they are taken after a
// moment, and put where only this run's reader finds them.
const shots = "POSTLUDE_SCREENSHOTS"

// TestScreenshots takes the pictures of the README, and finds out whether the page fits.
func TestScreenshots(t *testing.T) {
	dir, open := t.TempDir(), 5*time.Second
	if text := os.Getenv(shots); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("%s: %v", shots, err)
		}
		dir, open = filepath.Join("..", "..", "docs"), d
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t, openShop(t), taskz.Config{Title: "shop", Authorize: anybody})
	p := openTab(t, s.url(""), false)
	p.waitText("#status", "Live")
	<-time.After(open)
	p.waitText("#failing", "charge")
	p.wait("document.querySelector('#tabs').innerText.includes('Durable')")

	p.do(chromedp.EmulateViewport(1440, 790))
	p.shoot(dir, "taskz-light.png", "light")
	p.shoot(dir, "taskz-dark.png", "dark")
	p.click("#failing .card[data-severity=bad] a")
	p.waitText("#drawer", "Arguments", "Attempt")
	p.shoot(dir, "taskz-failure.png", "light")
	p.keys("\x1b")
	p.wait("document.querySelector('#drawer').hidden")
	p.do(chromedp.EmulateViewport(375, 812, chromedp.EmulateMobile))
	p.fits()
	p.shoot(dir, "taskz-phone.png", "dark")
}

// shoot takes a picture in a theme.
func (p *tab) shoot(dir, name, theme string) {
	p.t.Helper()
	p.wait("document.documentElement.dataset.theme === " + quote(theme) + " || document.querySelector('#theme').click()")
	eval[any](p, "(document.activeElement.blur(), null)")
	picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), picture, 0o644)
	}
	if err != nil {
		p.t.Fatalf("%s: %v", name, err)
	}
	if len(picture) < 20_000 {
		p.t.Errorf("%s has %d bytes: is it empty?", name, len(picture))
	}
}

// fits finds out whether anything makes the page wider than the window.
func (p *tab) fits() {
	p.t.Helper()
	if wide := eval[int](p, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		p.t.Errorf("the page is %d pixels too wide", wide)
	}
}
