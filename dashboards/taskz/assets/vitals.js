// The figures of the whole runtime, and its plots.
import { el, byId, setAttr, setText } from './dom.js';
import { count, duration, none, percent, rate, span } from './format.js';
import { plot, rateLayers, latencyLayers } from './plot.js';
import { overall } from './series.js';

// A figure has a label, a value, a note, and for what can be full a bar.
function figure(label, bar) {
  const value = el('dd');
  const note = el('dd', { class: 'sub' });
  const meter = bar ? el('meter', { min: 0, max: 1, low: 0.6, high: 0.8, optimum: 0, 'aria-label': label }) : null;
  return {
    node: el('div', { class: 'figure-box' }, el('dt', { text: label }), value, note, meter),
    set(text, more, { severity, fill } = {}) {
      setText(value, text);
      setText(note, more);
      setAttr(value, 'data-severity', severity);
      if (meter) meter.value = fill;
    },
  };
}

const figures = {
  rate: figure('Rate /s'), failed: figure('Failed'), delay: figure('Queue delay p95'), running: figure('Running'),
  pending: figure('Pending'), retrying: figure('Waiting for retry'), workers: figure('Workers', true), slots: figure('Queue', true),
};
const plots = { rate: plot('Rate /s', rateLayers, (v) => (v == null ? none : rate(v))), latency: plot('Duration', latencyLayers, duration) };

export function startVitals() {
  byId('vitals').append(
    el('dl', { class: 'figures' }, ...Object.values(figures).map((f) => f.node)),
    el('div', { class: 'plots' }, plots.rate.node, plots.latency.node),
  );
}

export function updateVitals(s) {
  const { window: w, counts: c } = s.overall;
  const bad = w.failed + w.dropped;
  figures.rate.set(rate(w.rate_per_s), `${count(w.ended)} in ${span(s.window_ms)}`);
  figures.failed.set(count(bad), `${percent(bad, w.ended)} in ${span(s.window_ms)}`, { severity: bad ? 'bad' : null });
  figures.delay.set(w.queue_delay.count ? duration(w.queue_delay.p95_ms) : none, 'ready to started');
  figures.running.set(count(c.running), oldest(s));
  figures.pending.set(count(c.pending), s.fill.oldest_wait_ms ? `oldest waits ${duration(s.fill.oldest_wait_ms)}` : 'none has to wait', { severity: s.fill.oldest_wait_ms > 10e3 ? 'warn' : null });
  figures.retrying.set(count(c.retrying), next(s), { severity: c.retrying ? 'warn' : null });
  for (const [name, label] of [['workers', 'goroutines'], ['slots', 'slots']]) {
    const [n, max] = [s.fill[name], s.fill[`${name}_max`]];
    figures[name].set(count(n), `of ${count(max)} ${label}`, { fill: n / max, severity: n >= 0.8 * max ? 'bad' : null });
  }
}

const oldest = (s) => (s.running.length ? `longest ${duration(Math.max(...s.running.map((t) => t.age_ms)))}` : 'none');
const next = (s) => (s.backoff.length ? `next in ${span(s.backoff[0].due_in_ms)}` : 'none');

export function drawVitals() {
  for (const p of Object.values(plots)) p.draw(overall);
}
