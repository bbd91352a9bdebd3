// The page: it takes states from the stream and has each part show its own.
import { byId, setText } from './dom.js';
import { onView } from './hash.js';
import { connect } from './stream.js';
import { add, load } from './series.js';
import { context, remember } from './context.js';
import { span, clock } from './format.js';
import { startFilters } from './filter.js';
import { startTabs, updatePanel } from './panel.js';
import { startVitals, updateVitals, drawVitals } from './vitals.js';
import { updateFailing } from './failing.js';
import { updateDrawer } from './drawer.js';
import { showConnection, showState } from './banners.js';
import { redraw } from './lists.js';
import { startKeys } from './keys.js';
import { startTheme } from './themes.js';

let asked = false; // for the history

function update() {
  const s = context.state;
  if (!s) return;
  updateFailing(s);
  updatePanel(s);
  updateDrawer(s);
}

function onState(s) {
  remember(s);
  byId('loading').hidden = true;
  byId('content').hidden = false;
  setText(byId('title'), s.title);
  setText(byId('uptime'), `up ${span(Date.parse(s.time) - Date.parse(s.started))}`);
  setText(byId('window'), `Rates and quantiles are of the last ${span(s.window_ms)}. State of ${clock(s.time)}.`);
  const bad = s.overall.window.failed + s.overall.window.dropped;
  const title = bad ? `(${bad}) ${s.title}` : s.title;
  if (document.title !== title) document.title = title;
  updateVitals(s);
  showState(s);
  update();
  if (!asked) {
    asked = true;
    load().then(draw);
  }
}

function draw() {
  redraw();
  drawVitals();
  update();
}

startTheme();
startFilters();
startTabs();
startVitals();
startKeys();
onView(update);
connect({
  onState,
  onStatus: showConnection,
  onPoint: async (point) => {
    if (await add(point)) draw();
  },
});
