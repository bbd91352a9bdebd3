package page

import (
	"testing"

	"github.com/postlude/postlude/dashboards/taskz"
	postlude "github.com/postlude/postlude/runtime"
)

// contrasts returns the texts that can't be told well enough from what is behind them, by
// the measure of WCAG 2.2, level AA: 4.5 to 1, and 3 to 1 if they are large.
const contrasts = `(() => {
  const pixel = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const over = (color, back) => {
    pixel.fillStyle = back;
    pixel.fillRect(0, 0, 1, 1);
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    return 'rgb(' + [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3).join(' ') + ')';
  };
  const backOf = (e) => (e ? over(getComputedStyle(e).backgroundColor, backOf(e.parentElement)) : 'white');
  const light = (color) => {
    const [r, g, b] = color.match(/[\d.]+/g).map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const bad = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !e.checkVisibility() || e.closest('.hidden, option')) continue;
    const style = getComputedStyle(e);
    const back = backOf(e);
    const [a, b] = [light(over(style.color, back)), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    seen++;
    if (ratio < (large ? 3 : 4.5)) bad.push(ratio.toFixed(2) + ': ' + texts.currentNode.data.trim().slice(0, 40));
  }
  return seen < 60 ? ['only ' + seen + ' texts were looked at'] : [...new Set(bad)];
})()`

// TestContrast: all texts can be read, in both themes.
func TestContrast(t *testing.T) {
	t.Parallel()
	rt := newRuntime(t, postlude.Config{})
	s := newSite(t, rt, taskz.Config{Authorize: anybody})
	run(t, rt, works, "count_order", "send_receipt")
	run(t, rt, fails, "charge")
	hold(t, rt, "export").Cancel()
	for _, tab := range []string{"tasks", "failures"} {
		p := openTab(t, s.url("#open=task:charge&tab="+tab), false)
		p.waitText("#failing", "charge")
		p.waitText("#drawer", "Since the start")
		for _, theme := range []string{"light", "dark"} {
			eval[any](p, "(document.documentElement.dataset.theme = "+quote(theme)+", null)")
			for _, text := range eval[[]string](p, contrasts) {
				t.Errorf("%s, %s: %s", tab, theme, text)
			}
		}
	}
}
