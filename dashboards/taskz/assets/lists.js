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

const quantile = (field, q) => number((t) => (t.window[field].count ? t.window[field][q] : null), duration);

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
      { id: 'rate', label: 'Rate /s', class: 'num', title: 'Tasks that ended, per second, in the window', by: (t) => t.window.rate_per_s, make: number((t) => t.window.rate_per_s, rate) },
      { id: 'rates', label: 'Trend', class: 'wide', title: 'The last 15 minutes: tasks that ended, and of them those that failed', make: sparkCell(rateLayers) },
      { id: 'failing', label: 'Failed', class: 'num', title: 'In the window', by: (t) => t.window.failed + t.window.dropped, make: number((t) => t.window.failed + t.window.dropped, count, 'bad') },
      { id: 'retries', label: 'Retries', class: 'num wide', title: 'In the window; of durable tasks, those handed back to the queue', by: (t) => t.window.retries + t.window.requeued, make: number((t) => t.window.retries + t.window.requeued, count, 'warn') },
      { id: 'p50', label: 'p50', class: 'num wide', title: 'Duration of an attempt, in the window', by: (t) => t.window.duration.p50_ms, make: quantile('duration', 'p50_ms') },
      { id: 'p95', label: 'p95', class: 'num', title: 'Duration of an attempt, in the window', by: (t) => t.window.duration.p95_ms, make: quantile('duration', 'p95_ms') },
      { id: 'p99', label: 'p99', class: 'num wide', title: 'Duration of an attempt, in the window', by: (t) => t.window.duration.p99_ms, make: quantile('duration', 'p99_ms') },
      { id: 'latencies', label: 'Trend', class: 'wider', title: 'The last 15 minutes: p50, p95, p99', make: sparkCell(latencyLayers) },
      { id: 'delay', label: 'Delay p95', class: 'num wide', title: 'Queue delay: from ready to run until started', by: (t) => t.window.queue_delay.p95_ms, make: quantile('queue_delay', 'p95_ms') },
      { id: 'running', label: 'Run', class: 'num wide', title: 'Running now', by: (t) => t.counts.running, make: number((t) => t.counts.running, count) },
      { id: 'pending', label: 'Pend', class: 'num wide', title: 'Pending: waits for its timing, its delay or a worker', by: (t) => t.counts.pending, make: number((t) => t.counts.pending, count) },
      { id: 'retrying', label: 'Backoff', class: 'num wide', title: 'Waits for its next attempt', by: (t) => t.counts.retrying, make: number((t) => t.counts.retrying, count, 'warn') },
      { id: 'succeeded', label: 'Succeeded', class: 'num wider total', title: 'Since the start', by: (t) => t.counts.succeeded, make: number((t) => t.counts.succeeded, count) },
      { id: 'failed', label: 'Failed', class: 'num wider total', title: 'Since the start', by: (t) => t.counts.failed, make: number((t) => t.counts.failed, count) },
      { id: 'canceled', label: 'Canc.', class: 'num wider total', title: 'Canceled since the start', by: (t) => t.counts.canceled, make: number((t) => t.counts.canceled, count) },
      { id: 'dropped', label: 'Drop.', class: 'num wider total', title: 'Dropped since the start', by: (t) => t.counts.dropped, make: number((t) => t.counts.dropped, count) },
    ],
  }),
};

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
      { id: 'time', label: 'When', class: 'num', by: (f) => Date.parse(f.time), make: (cell, f) => { cell.title = f.time; return () => setText(cell, ago(context.now - Date.parse(f.time))); } },
      { id: 'state', label: 'State', class: 'wide', by: (f) => f.state, make: badgeCell((f) => f.state) },
      { id: 'error', label: 'Error', class: 'message', by: (f) => f.error_type, make: messageCell((f) => f.error_type, (f) => f.message) },
      { id: 'verdict', label: 'Verdict', class: 'wide', by: (f) => f.verdict, text: (f) => (f.handler ? `${f.verdict} (${f.handler})` : f.verdict) },
      { id: 'attempts', label: 'Attempts', class: 'num wide', by: (f) => f.attempts, text: (f) => count(f.attempts) },
      { id: 'trace', label: 'Trace', class: 'wide', make: (cell, f) => { cell.append(traceLink(f, 'Trace') ?? f.trace_id.slice(0, 8)); } },
    ],
  }),
};
