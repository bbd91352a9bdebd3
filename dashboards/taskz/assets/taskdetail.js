// All about the tasks of one name.
import { el, arrange, setAttr, setText } from './dom.js';
import { linkTo } from './hash.js';
import { ago, count, duration, none, percent, rate, span } from './format.js';
import { message, badge } from './cells.js';
import { plot, rateLayers, latencyLayers } from './plot.js';
import { seriesOf } from './series.js';
import { stateOf } from './status.js';

const other = '(other)'; // where the runtime counts what is beyond its limit of names

// Facts are labels with a value of the task's state.
const figures = [
  ['Rate /s', (t) => rate(t.window.rate_per_s)],
  ['Failed', (t, w) => `${count(t.window.failed)} (${percent(t.window.failed, t.window.ended)}) in ${w}`],
  ['Dropped, canceled', (t, w) => `${count(t.window.dropped)}, ${count(t.window.canceled)} in ${w}`],
  ['Retries', (t, w) => `${count(t.window.retries)} in ${w}, ${count(t.retries)} since the start`],
  ['Duration', (t) => quantiles(t.window.duration)],
  ['Queue delay', (t) => quantiles(t.window.queue_delay)],
  ['Now', (t) => `${count(t.counts.running)} running, ${count(t.counts.pending)} pending, ${count(t.counts.retrying)} waiting for a retry`],
  ['Since the start', (t) => `${count(t.counts.scheduled)} scheduled: ${count(t.counts.succeeded)} succeeded, ${count(t.counts.failed)} failed, ${count(t.counts.canceled)} canceled, ${count(t.counts.dropped)} dropped`],
  ['Durable', (t) => `${count(t.counts.enqueued)} enqueued here, ${count(t.counts.requeued)} attempts handed back`],
];

const quantiles = (q) => (q.count ? `p50 ${duration(q.p50_ms)}, p95 ${duration(q.p95_ms)}, p99 ${duration(q.p99_ms)}; mean ${duration(q.mean_ms)} of ${count(q.count)}` : none);

export function taskDetail(name) {
  const state = el('p', { class: 'line' });
  const note = el('p', { class: 'note', hidden: true });
  const values = figures.map(() => el('dd'));
  const plots = [plot('Rate /s', rateLayers, (v) => (v == null ? none : rate(v))), plot('Duration', latencyLayers, duration)];
  const failures = el('ul', { class: 'failures' });
  const node = el('div', { class: 'detail' },
    el('h2', { id: 'drawer-title', tabindex: -1, text: name }), state, note, ...plots.map((p) => p.node),
    el('dl', { class: 'facts' }, ...figures.map(([label], i) => el('div', {}, el('dt', { text: label }), values[i]))),
    el('h3', { text: 'Failures' }), failures);
  const links = new Map();
  let word = '';
  return {
    node,
    update(s) {
      const t = s.tasks.find((x) => x.name === name);
      setText(note, t ? otherNote(name) : 'No task of this name has run since the start.');
      setAttr(note, 'hidden', !note.textContent);
      for (const p of plots) p.draw(seriesOf(name));
      if (!t) return;
      if (word !== stateOf(t)) state.replaceChildren(badge((word = stateOf(t))));
      figures.forEach(([, text], i) => setText(values[i], text(t, span(s.window_ms))));
      arrange(failures, items(links, s, name));
    },
  };
}

const otherNote = (name) => (name === other ? 'Over a thousand names were used; the tasks of all further names are counted here together. An id in a name does that: ids belong into Attributes.' : '');

// items are the failures of the task, as links; the same nodes as long as they are there.
function items(links, s, name) {
  const list = s.failures.filter((f) => f.name === name);
  if (!list.length) return [el('li', { class: 'muted', text: 'None is remembered.' })];
  return list.map((f) => {
    const key = f.id + f.time;
    if (!links.has(key)) links.set(key, el('li', {}, el('a', {}), el('span', { class: 'when' }), el('span', { class: 'message', text: message(f) })));
    const node = links.get(key);
    setText(node.children[0], f.state);
    setAttr(node.children[0], 'href', linkTo(`failure:${f.id}`));
    setText(node.children[1], ago(Date.parse(s.time) - Date.parse(f.time)));
    return node;
  });
}
