// Small plots: an SVG that is stretched to its place, and labels around it in HTML, which
// are not.
import { el, svg, setText } from './dom.js';
import { maxPoints, times } from './series.js';
import { clock } from './format.js';

const width = 720;

// x puts the newest point at the right edge, however few there are.
const x = (i, n) => width - ((n - 1 - i) * width) / (maxPoints - 1);

// line is a path through the values; a null interrupts it.
function line(values, top, height) {
  let d = '';
  let pen = false;
  values.forEach((v, i) => {
    if (v == null) {
      pen = false;
      return;
    }
    const y = height - 1 - ((height - 2) * v) / top;
    d += pen ? `L${x(i, values.length).toFixed(1)} ${y.toFixed(1)}` : `M${x(i, values.length).toFixed(1)} ${y.toFixed(1)}h0.1`;
    pen = true;
  });
  return d;
}

// area is the same down to zero.
function area(values, top, height) {
  if (values.length < 2) return '';
  return `M${x(0, values.length).toFixed(1)} ${height}${line(values, top, height).replace(/^M(\S+ \S+?)h0\.1/, 'L$1')}L${width} ${height}Z`;
}

const topOf = (lists) => Math.max(1e-9, ...lists.flat().map((v) => v ?? 0));

function canvas(kind, height, layers) {
  const paths = layers.map((l) => svg('path', { class: `${l.fill ? 'area' : 'line'} ${l.class}` }));
  const node = svg(
    'svg',
    { class: `plot ${kind}`, viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    ...paths,
  );
  const draw = (series) => {
    const top = topOf(layers.map((l) => series[l.column]));
    layers.forEach((l, i) => {
      const d = (l.fill ? area : line)(series[l.column], top, height);
      if (paths[i].getAttribute('d') !== d) paths[i].setAttribute('d', d);
    });
    return top;
  };
  return { node, draw };
}

export const rateLayers = [
  { column: 'rate_per_s', class: 'rate', fill: true, label: 'ended' },
  { column: 'rate_per_s', class: 'rate' },
  { column: 'failed_per_s', class: 'failed', fill: true, label: 'failed' },
];
export const latencyLayers = [
  { column: 'p99_ms', class: 'p99', label: 'p99' },
  { column: 'p95_ms', class: 'p95', label: 'p95' },
  { column: 'p50_ms', class: 'p50', label: 'p50' },
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
  const cursor = svg('line', { class: 'cursor', y1: 0, y2: 96, visibility: 'hidden' });
  node.append(cursor);
  const frame = el('div', { class: 'frame' }, node, top);
  const figure = el(
    'figure',
    { class: 'figure' },
    el('figcaption', {}, el('span', { class: 'name', text: title }),
      ...labels.map((l, i) => el('span', { class: `key ${l.class}` }, `${l.label} `, values[i])), at),
    frame,
    el('div', { class: 'axis', 'aria-hidden': 'true' },
      ...['15 min ago', '10', '5', 'now'].map((text) => el('span', { text }))),
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
    picked = Math.round((1 - (e.clientX - box.left) / box.width) * (maxPoints - 1));
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
      read();
    },
  };
}
