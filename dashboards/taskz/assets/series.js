// The history of rates and latencies, as the server keeps it and the stream goes on.

const columns = ['rate_per_s', 'failed_per_s', 'p50_ms', 'p95_ms', 'p99_ms'];
export const maxPoints = 180;

let seq = 0;
let step = 5000;
let loading = false;
let tasks = new Map();
export let times = [];
export let overall = blank();

export const stepMS = () => step;
export const seriesOf = (name) => tasks.get(name) ?? blank();

function blank() {
  return Object.fromEntries(columns.map((c) => [c, []]));
}

// add appends the newest point. If one is missing in between, all are asked for again.
export async function add(point) {
  if (point.seq === seq) return false;
  if (point.seq !== seq + 1) return load();
  seq = point.seq;
  const before = times.length;
  times = [...times, point.time].slice(-maxPoints);
  append(overall, point.overall, before);
  for (const [name, value] of Object.entries(point.tasks)) {
    if (!tasks.has(name)) tasks.set(name, blank());
  }
  for (const [name, series] of tasks) append(series, point.tasks[name], before);
  return true;
}

// append adds a value to each column, which may be shorter than the time.
function append(series, value, before) {
  for (const c of columns) {
    const empty = c.endsWith('_per_s') ? 0 : null;
    const list = series[c];
    while (list.length < before) list.unshift(empty);
    list.push(value?.[c] ?? empty);
    if (list.length > maxPoints) list.shift();
  }
}

// load asks for the whole history.
export async function load() {
  if (loading) return false;
  loading = true;
  try {
    const response = await fetch('history', { headers: { Accept: 'application/json' } });
    if (!response.ok) return false;
    const all = await response.json();
    seq = all.seq;
    step = all.step_ms;
    times = all.times;
    overall = all.overall;
    tasks = new Map(all.tasks.map((t) => [t.name, t]));
    return true;
  } catch {
    return false; // the next point asks again
  } finally {
    loading = false;
  }
}
