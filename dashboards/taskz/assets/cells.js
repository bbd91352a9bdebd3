// What the columns of several tables are made of.
import { el, setAttr, setText, webURL } from './dom.js';
import { clock } from './format.js';

// link is the first cell of a row: what opens it.
export const link = (text) => (cell) => {
  const a = el('a', { class: 'open' });
  cell.append(a);
  return (row) => setText(a, text(row) || '(unnamed)');
};

// badge is a word whose colour tells how bad it is.
const severity = { failed: 'bad', failing: 'bad', dead: 'bad', panic: 'bad', dropped: 'bad', retrying: 'warn', canceled: 'warn', timeout: 'warn', rescued: 'warn' };

export const badge = (word) => el('span', { class: `badge ${severity[word] ?? ''}`, text: word });

export const badgeCell = (word) => (cell) => (row) => {
  if (cell.dataset.word === word(row)) return;
  cell.dataset.word = word(row);
  cell.replaceChildren(badge(word(row)));
};

// faint numbers are zeros: what is not zero stands out.
export const number = (value, format, severe) => (cell) => (row) => {
  const v = value(row);
  setText(cell, format(v));
  setAttr(cell, 'data-zero', v ? null : '');
  if (severe) setAttr(cell, 'data-severity', v ? severe : null);
};

export const message = (row) => (row.error_type ? `${row.error_type}: ${row.message}` : row.message);

// messageCell shows the error's type and, of its message, two lines.
export const messageCell = (type, text) => (cell) => {
  const [kind, words] = [el('b'), el('span')];
  cell.append(el('div', { class: 'clip' }, kind, ' ', words));
  return (row) => {
    setText(kind, type(row));
    setText(words, text(row));
  };
};

// traceLink leads to where the trace can be looked at, if that is known.
export function traceLink(row, text) {
  const href = webURL(row.trace_url);
  if (href) return el('a', { class: 'trace', href, target: '_blank', rel: 'noopener noreferrer', text });
  return null;
}

export const time = (iso) => el('time', { datetime: iso, title: iso, text: clock(iso) });
