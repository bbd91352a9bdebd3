// Small plots: an SVG that is stretched to its place, and labels around it in HTML, which
// are not.
import { el, svg, setText } from './dom.js';
import { maxPoints, stepMS, times } from './series.js';
import { clock } from './format.js';

const width = 720;

// How many points are shown: what there is, but not so few that they look like more.
const shown = () => Math.min(maxPoints, Math.max(37, times.length));

// x puts the newest point at the right edge.
const x = (i, n) => width - ((n - 1 - i) * width) / (shown() - 1);
const y = (v, top, height) => height - 1 - ((height - 2) * v) / top;

// line is a path through the values; a null interrupts it.
function line(values, top, height) {
  let d = '';
  let pen = false;
  values.forEach((v, i) => {
    if (v != null) d += `${pen ? 'L' : 'M'}${x(i, values.length).toFixed(1)} ${y(v, top, height).toFixed(1)}${pen ? '' : 'h.1'}`;
    pen = v != null;
  });
  return d;
}

// area is what is below the values, which have no null.
function area(values, top, height) {
  const n = values.length;
  if (n < 2) return '';
  const points = values.map((v, i) => `${x(i, n).toFixed(1)} ${y(v, top, height).toFixed(1)}`);
  return `M${x(0, n).toFixed(1)} ${height}L${points.join('L')}L${width} ${height}Z`;
}

// bars show a value that is not zero, however small it is beside the others.
function bars(values, top, height) {
  const n = values.length;
  const step = width / (shown() - 1);
  return values.map((v, i) => {
    if (!v) return '';
    const tall = Math.max(2, (height * v) / top);
    return `M${(x(i, n) - step / 2).toFixed(1)} ${height}v${-tall.toFixed(1)}h${step.toFixed(1)}v${tall.toFixed(1)}Z`;
  }).join('');
}

const shapes = { line, area, bars };

const topOf = (lists) => Math.max(1e-9, ...lists.flat().map((v) => v ?? 0));

function canvas(kind, height, layers) {
  const paths = layers.map((l) => svg('path', { class: `${l.shape} ${l.class}` }));
  const node = svg(
    'svg',
    { class: `plot ${kind}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    ...paths,
  );
  const draw = (series) => {
    const top = topOf(layers.map((l) => series[l.column]));
    layers.forEach((l, i) => {
      const d = shapes[l.shape](series[l.column], top, height);
      if (paths[i].getAttribute('d') !== d) paths[i].setAttribute('d', d);
    });
    return top;
  };
  return { node, draw };
}

export const rateLayers = [
  { column: 'rate_per_s', class: 'rate', shape: 'area' },
  { column: 'rate_per_s', class: 'rate', shape: 'line', label: 'ended' },
  { column: 'failed_per_s', class: 'failed', shape: 'bars', label: 'failed' },
];
export const latencyLayers = [
  { column: 'p50_ms', class: 'p50', shape: 'line', label: 'p50' },
  { column: 'p95_ms', class: 'p95', shape: 'line', label: 'p95' },
  { column: 'p99_ms', class: 'p99', shape: 'line', label: 'p99' },
];

// spark is a plot for a row of a table: no labels.
export const spark = (layers) => canvas('spark', 24, layers);

// plot has a title, a scale, and a readout of the point under the pointer, or the newest.
export function plot(title, layers, format) {
  const { node, draw } = canvas('large', 96, layers);
  const labels = layers.filter((l) => l.label);
  const values = labels.map(() => el('b'));
  const at = el('span', { class: 'at' });
  const top = el('span', { class: 'top' });
  const first = el('span');
  const cursor = svg('line', { class: 'cursor', y1: 0, y2: 96, visibility: 'hidden' });
  node.append(cursor);
  const frame = el('div', { class: 'frame' }, node, top);
  const figure = el(
    'figure',
    { class: 'figure' },
    el('figcaption', {}, el('span', { class: 'name', text: title }),
      ...labels.map((l, i) => el('span', { class: `key ${l.class}` }, `${l.label} `, values[i])), at),
    frame,
    el('div', { class: 'axis', 'aria-hidden': 'true' }, first, el('span', { text: 'now' })),
  );
  let series = null;
  let picked = null; // how many points before the newest

  function read() {
    const n = series[layers[0].column].length;
    const i = n - 1 - Math.min(picked ?? 0, Math.max(0, n - 1));
    labels.forEach((l, k) => setText(values[k], n ? format(series[l.column][i]) : format(null)));
    setText(at, picked != null && times[i] ? clock(times[i]) : '');
    cursor.setAttribute('visibility', picked == null ? 'hidden' : 'visible');
    cursor.setAttribute('x1', x(i, n));
    cursor.setAttribute('x2', x(i, n));
  }
  frame.addEventListener('pointermove', (e) => {
    const box = frame.getBoundingClientRect();
    picked = Math.round((1 - (e.clientX - box.left) / box.width) * (shown() - 1));
    if (series) read();
  });
  frame.addEventListener('pointerleave', () => {
    picked = null;
    if (series) read();
  });
  return {
    node: figure,
    draw(of) {
      series = of;
      const highest = draw(of);
      setText(top, highest > 1e-9 ? format(highest) : '');
      setText(first, `${Math.round(((shown() - 1) * stepMS()) / 60e3)} min ago`);
      read();
    },
  };
}
