// Numbers and times as people read them.

const whole = new Intl.NumberFormat('en-GB');

export const none = '–';

export function count(n) {
  if (n < 1e5) return whole.format(n);
  if (n < 1e6) return `${(n / 1e3).toFixed(0)}k`;
  if (n < 1e9) return `${(n / 1e6).toFixed(n < 1e7 ? 2 : 1)}M`;
  return `${(n / 1e9).toFixed(2)}G`;
}

export function rate(perSecond) {
  if (!perSecond) return '0';
  if (perSecond < 0.1) return perSecond.toFixed(2);
  if (perSecond < 100) return perSecond.toFixed(1);
  if (perSecond < 1e4) return whole.format(Math.round(perSecond));
  return `${(perSecond / 1e3).toFixed(1)}k`;
}

export function duration(ms) {
  if (ms == null) return none;
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60e3) return `${(ms / 1000).toFixed(ms < 10e3 ? 2 : 1)} s`;
  return span(ms);
}

// span is a duration for waiting: whole seconds and up.
export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function ago(ms) {
  return ms < 1500 ? 'now' : `${span(ms).replace(/ \d+ s$/, '')} ago`;
}

const two = (n) => String(n).padStart(2, '0');

// clock is a time of day, with the date unless that is today's.
export function clock(iso) {
  const t = new Date(iso);
  const time = `${two(t.getHours())}:${two(t.getMinutes())}:${two(t.getSeconds())}`;
  const date = `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;
  return t.toDateString() === new Date().toDateString() ? time : `${date} ${time}`;
}

export function percent(part, all) {
  if (!all || !part) return '0 %';
  const p = (100 * part) / all;
  return p < 10 ? `${p.toFixed(1)} %` : `${Math.round(p)} %`;
}

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
