// The tabs, and the list of the one that is chosen.
import { el, byId, arrange, setAttr, setText } from './dom.js';
import { view, show } from './hash.js';
import { count } from './format.js';
import { filtered, showFilters } from './filter.js';
import { tasks, failures } from './lists.js';
import { running, backoff } from './live.js';
import { durable } from './durable.js';

const lists = { tasks, failures, running, backoff, durable };
const tabs = {};
const panels = {};

// listed makes the panel of a list that is one table.
function listed(list) {
  const table = list.table();
  const note = el('p', { class: 'note' });
  const update = (s) => {
    const rows = list.of(s);
    table.update(rows.filter((row) => list.keep(row, s)), filtered());
    const total = list.total?.(s) ?? rows.length;
    setText(note, total > rows.length ? `The first ${count(rows.length)} of ${count(total)}.` : list.note?.(s) ?? '');
    setAttr(note, 'hidden', !note.textContent);
  };
  return { node: el('div', {}, note, table.node), update };
}

export function startTabs() {
  for (const [id, list] of Object.entries(lists)) {
    const number = el('span', { class: 'n' });
    const tab = el('button', { type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': 'panel', on: { click: () => choose(id) } }, `${list.label} `, number);
    tabs[id] = { tab, number };
    byId('tabs').append(tab);
  }
  byId('tabs').addEventListener('keydown', (e) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    const ids = shownTabs();
    if (!by) return;
    const id = ids[(ids.indexOf(view.tab) + by + ids.length) % ids.length];
    choose(id);
    tabs[id].tab.focus();
    e.preventDefault();
  });
}

const shownTabs = () => Object.keys(lists).filter((id) => !tabs[id].tab.hidden);

// choose keeps the search, and drops what another list has no notion of.
function choose(id) {
  if (id !== view.tab) show({ tab: id, state: lists[id].states.includes(view.state) ? view.state : '', sort: '' });
}

export function chooseNth(n) {
  const id = shownTabs()[n];
  if (id) choose(id);
}

// current is the tab of the view; the first, if the view names none that is there.
const current = () => (lists[view.tab] && !tabs[view.tab].tab.hidden ? view.tab : 'tasks');

export function updatePanel(s) {
  tabs.durable.tab.hidden = !s.durable;
  const now = current();
  for (const [id, { tab, number }] of Object.entries(tabs)) {
    const list = lists[id];
    const n = id === 'durable' && !s.durable ? 0 : (list.total?.(s) ?? list.of(s).length);
    setText(number, count(n));
    setAttr(number, 'data-severity', n && (id === 'failures' || id === 'durable') ? 'bad' : null);
    setAttr(tab, 'aria-selected', String(id === now));
    setAttr(tab, 'tabindex', id === now ? 0 : -1);
  }
  const list = lists[now];
  showFilters(list.states, typesOf(list, s));
  panels[now] ??= list.panel ? list.panel() : listed(list);
  arrange(byId('panel'), [panels[now].node]);
  setAttr(byId('panel'), 'aria-labelledby', `tab-${now}`);
  panels[now].update(s);
}

// typesOf is what the filter offers; null for lists that know no error types.
const typesOf = (list, s) => list.types?.(s).filter(Boolean).sort() ?? null;
