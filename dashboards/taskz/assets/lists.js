// The lists of tasks by name, and of failures: what is in each, its columns, and what it
// is filtered by.
import { el, setAttr, setText } from './dom.js';
import { Table } from './table.js';
import { count, rate, duration, ago } from './format.js';
import { link, badge, badgeCell, number, message, messageCell, traceLink } from './cells.js';
import { spark, rateLayers, latencyLayers } from './plot.js';
import { seriesOf } from './series.js';
import { failing, stateOf } from './status.js';
import { matches } from './filter.js';
import { context } from './context.js';

const remembered = 64; // failures, by the runtime
let drawn = 0; // counts the points of the history, which the plots wait for

export const redraw = () => { drawn++; };

// The kinds of columns: a figure, a duration that is none without attempts, a plot.
const figure = (id, label, width, title, value, format, severe) => ({
  id, label, class: `num ${width}`, title, by: value, make: number(value, format, severe),
});
const quantile = (id, label, width, title, field, q) => figure(id, label, width, title, (t) => (t.window[field].count ? t.window[field][q] : null), duration);
const trend = (id, width, title, layers) => ({ id, label: 'Trend', class: width, title, make: sparkCell(layers) });

// sparkCell draws when there is a point, not each second.
const sparkCell = (layers) => (cell) => {
  const { node, draw } = spark(layers);
  let last = -1;
  cell.append(node);
  return (t) => {
    if (last === drawn) return;
    last = drawn;
    draw(seriesOf(t.name));
  };
};

const nameCell = (cell) => {
  const a = el('a', { class: 'open' });
  const mark = badge('failing');
  cell.append(a, ' ', mark);
  return (t) => {
    setText(a, t.name);
    setAttr(mark, 'hidden', !failing(t));
  };
};

// keepTask finds a task by its errors, too.
function keepTask(t, s) {
  const errors = s.failures.filter((f) => f.name === t.name);
  return matches([t.name, ...errors.map(message)], stateOf(t), errors.map((f) => f.error_type));
}

const typesOf = (s) => s.failures.map((f) => f.error_type);

export const tasks = {
  label: 'Tasks',
  states: ['failing', 'retrying', 'running', 'pending', 'idle'],
  types: typesOf,
  of: (s) => s.tasks,
  keep: keepTask,
  table: () => new Table({
    caption: 'Tasks by name', key: (t) => t.name, open: (t) => `task:${t.name}`, sort: '-failing',
    empty: 'No task has been scheduled yet. Each task appears here by its name when it is.',
    rowClass: (t) => (failing(t) ? 'failing' : ''),
    columns: [
      { id: 'name', label: 'Task', class: 'name', head: true, by: (t) => t.name, make: nameCell },
      figure('rate', 'Rate /s', '', 'Tasks that ended, per second, in the window', (t) => t.window.rate_per_s, rate),
      trend('rates', 'wide', 'The last 15 minutes: tasks that ended, and of them those that failed', rateLayers),
      figure('failing', 'Failed', '', 'In the window', (t) => t.window.failed + t.window.dropped, count, 'bad'),
      figure('retries', 'Retries', 'wide', 'In the window; of durable tasks, those handed back to the queue', (t) => t.window.retries + t.window.requeued, count, 'warn'),
      quantile('p50', 'p50', 'wide', 'Duration of an attempt, in the window', 'duration', 'p50_ms'),
      quantile('p95', 'p95', '', 'Duration of an attempt, in the window', 'duration', 'p95_ms'),
      quantile('p99', 'p99', 'wide', 'Duration of an attempt, in the window', 'duration', 'p99_ms'),
      trend('latencies', 'wider', 'The last 15 minutes: p50, p95, p99', latencyLayers),
      quantile('delay', 'Delay p95', 'wide', 'Queue delay: from ready to run until started', 'queue_delay', 'p95_ms'),
      figure('running', 'Run', 'wide', 'Running now', (t) => t.counts.running, count),
      figure('pending', 'Pend', 'wide', 'Pending: waits for its timing, its delay or a worker', (t) => t.counts.pending, count),
      figure('retrying', 'Backoff', 'wide', 'Waits for its next attempt', (t) => t.counts.retrying, count, 'warn'),
      figure('succeeded', 'Succeeded', 'wider total', 'Since the start', (t) => t.counts.succeeded, count),
      figure('failed', 'Failed', 'wider total', 'Since the start', (t) => t.counts.failed, count),
      figure('canceled', 'Canc.', 'wider total', 'Canceled since the start', (t) => t.counts.canceled, count),
      figure('dropped', 'Drop.', 'wider total', 'Dropped since the start', (t) => t.counts.dropped, count),
    ],
  }),
};

const age = (cell, f) => {
  cell.title = f.time;
  return () => setText(cell, ago(context.now - Date.parse(f.time)));
};
const verdict = (f) => (f.handler ? `${f.verdict} (${f.handler})` : f.verdict);

export const failures = {
  label: 'Failures',
  states: ['failed', 'dropped', 'canceled', 'rescued'],
  types: typesOf,
  of: (s) => s.failures,
  note: (s) => (s.failures.length < remembered ? '' : `The last ${remembered} are remembered; a task that fails all the time does not push out one that failed once. The log has all.`),
  keep: (f) => matches([f.name, f.id, f.trace_id, message(f)], f.state, [f.error_type]),
  table: () => new Table({
    caption: 'Failures, the newest first', key: (f) => f.id + f.time, open: (f) => `failure:${f.id}`, sort: '-time',
    empty: 'Nothing has failed since the start.',
    columns: [
      { id: 'name', label: 'Task', class: 'name', head: true, by: (f) => f.name, make: link((f) => f.name) },
      { id: 'time', label: 'When', class: 'num', by: (f) => Date.parse(f.time), make: age },
      { id: 'state', label: 'State', class: 'wide', by: (f) => f.state, make: badgeCell((f) => f.state) },
      { id: 'error', label: 'Error', class: 'message', by: (f) => f.error_type, make: messageCell((f) => f.error_type, (f) => f.message) },
      { id: 'verdict', label: 'Verdict', class: 'wide', by: (f) => f.verdict, text: verdict },
      { id: 'attempts', label: 'Attempts', class: 'num wide', by: (f) => f.attempts, text: (f) => count(f.attempts) },
      { id: 'trace', label: 'Trace', class: 'wide', make: (cell, f) => { cell.append(traceLink(f, 'Trace') ?? f.trace_id.slice(0, 8)); } },
    ],
  }),
};
