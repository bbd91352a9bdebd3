// The queues of durable tasks, and the dead letters in them, page by page.
import { el, setAttr, setText } from './dom.js';
import { Table } from './table.js';
import { count, ago, clock, span, none } from './format.js';
import { link, message, messageCell, number, traceLink } from './cells.js';
import { discardButton, notice, retryLetterButton } from './actions.js';
import { matches, filtered } from './filter.js';
import { context } from './context.js';

const pageSize = 25; // of the letters that are in the state

const amount = (id, label, width, title, severe) => ({ id, label, class: width, title, by: (q) => q[id], make: number((q) => q[id], count, severe) });

const queues = () => new Table({
  caption: 'Queues', key: (q) => q.queue, sort: 'queue', empty: 'The queues are empty.',
  columns: [
    { id: 'queue', label: 'Queue', class: 'name', head: true, by: (q) => q.queue, text: (q) => q.queue },
    amount('available', 'Available', 'num', 'Could run now'),
    amount('running', 'Running', 'num', 'In any process'),
    amount('scheduled', 'Scheduled', 'num wide', 'Waits for its time'),
    amount('retrying', 'Retrying', 'num wide', 'Waits for another attempt'),
    amount('dead', 'Dead', 'num', 'Failed for good', 'bad'),
    { id: 'oldest', label: 'Oldest waits', class: 'num wide', title: 'Of the available ones', by: (q) => q.oldest_ms, text: (q) => (q.available ? span(q.oldest_ms) : none) },
  ],
});

const age = (cell) => (l) => {
  cell.title = clock(l.failed);
  setText(cell, ago(context.now - Date.parse(l.failed)));
};

function buttons(cell, l) {
  const done = () => forget(l);
  if (context.actions) cell.append(retryLetterButton(l.id, done), discardButton(l.id, done));
}

const letters = () => new Table({
  caption: 'Dead letters, the latest first', key: (l) => l.id, open: (l) => `letter:${l.id}`, sort: '-failed_at', empty: 'There are no dead letters.',
  columns: [
    { id: 'letter', label: 'Task', class: 'name', head: true, by: (l) => l.name, make: link((l) => l.name) },
    { id: 'failed_at', label: 'Failed', class: 'num', by: (l) => Date.parse(l.failed), make: age },
    { id: 'lqueue', label: 'Queue', class: 'wide', by: (l) => l.queue, text: (l) => l.queue },
    { id: 'lattempt', label: 'Attempt', class: 'num wide', by: (l) => l.attempt, text: (l) => count(l.attempt) },
    { id: 'lerror', label: 'Error', class: 'message', by: (l) => l.error_type, make: messageCell((l) => l.error_type, (l) => l.message) },
    { id: 'ltrace', label: 'Trace', class: 'wide', make: (cell, l) => { cell.append(traceLink(l, 'Trace') ?? l.trace_id.slice(0, 8)); } },
    { id: 'act', label: '', class: 'act', make: buttons },
  ],
});

let older = []; // pages after the first
const gone = new Map(); // those that were acted on, and when they had failed: they may again
let next = null; // of the page after those; null: not known

// forget takes a letter out of the list, before the engine has answered without it.
export function forget(letter) {
  gone.set(letter.id, letter.failed);
  older = older.filter((l) => l.id !== letter.id);
}

// all are the letters of the first page, as they are now, and those of the others, as they
// were when they were asked for.
function all(d) {
  const first = new Set(d.dead_letters.map((l) => l.id));
  return [...d.dead_letters, ...older.filter((l) => !first.has(l.id))].filter((l) => gone.get(l.id) !== l.failed);
}

async function loadMore(d, again) {
  const list = all(d);
  const before = next || list[list.length - 1]?.id;
  try {
    const response = await fetch(`dead-letters?before=${encodeURIComponent(before)}`, { headers: { Accept: 'application/json' } });
    const page = await response.json();
    if (!response.ok) throw new Error(page.error?.message);
    older.push(...page.dead_letters);
    next = page.next;
    again();
  } catch (e) {
    notice(`Dead letters: ${e.message || 'the server does not answer'}`, true);
  }
}

export const durable = {
  label: 'Durable',
  states: [],
  total: (s) => (s.durable?.queues ?? []).reduce((n, q) => n + q.dead, 0),
  types: (s) => s.durable?.dead_letters.map((l) => l.error_type) ?? [],
  panel() {
    const note = el('p', { class: 'note' });
    const parts = [queues(), letters()];
    let state = null;
    const more = el('button', { type: 'button', class: 'more', text: 'Load older dead letters', on: { click: () => loadMore(state.durable, () => update(state)) } });
    const node = el('div', {}, note, el('h2', { text: 'Queues' }), parts[0].node, el('h2', { text: 'Dead letters' }), parts[1].node, more);
    function update(s) {
      state = s;
      const d = s.durable;
      setText(note, noteOf(d));
      setAttr(note, 'data-severity', d.error ? 'bad' : null);
      parts[0].update(d.queues, false);
      parts[1].update(all(d).filter((l) => matches([l.name, l.id, l.task_id, l.queue, message(l)], null, [l.error_type])), filtered());
      setAttr(more, 'hidden', d.dead_letters.length < pageSize || next === '');
    }
    return { node, update };
  },
};

function noteOf(d) {
  const asked = d.time ? `As of ${clock(d.time)}, of all processes that share the database.` : 'The engine has not answered yet.';
  return d.error ? `The engine does not answer: ${d.error}. ${asked}` : asked;
}
