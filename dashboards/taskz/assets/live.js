// The lists of single tasks: those that run, and those that wait for another attempt.
import { setText } from './dom.js';
import { Table } from './table.js';
import { count, duration, span, clock, none } from './format.js';
import { link, messageCell } from './cells.js';
import { cancelButton, retryNowButton } from './actions.js';
import { matches } from './filter.js';
import { context } from './context.js';

// actionCell holds buttons, if the page has any. They are made once for a row: a question
// that is asked stays until it is answered.
const actionCell = (make) => (cell, row) => { if (context.actions) cell.append(...make(row)); };

const taskColumns = [
  { id: 'name', label: 'Task', class: 'name', head: true, by: (t) => t.name, make: link((t) => t.name) },
  { id: 'id', label: 'Id', class: 'mono wide', text: (t) => t.id },
  { id: 'attempt', label: 'Attempt', class: 'num wide', by: (t) => t.attempt, text: (t) => count(t.attempt) },
];
const about = [
  { id: 'timing', label: 'Timing', class: 'wide', by: (t) => t.timing, text: (t) => t.timing },
  { id: 'shield', label: 'Shield', class: 'wide', by: (t) => Number(t.shield), text: (t) => (t.shield ? 'yes' : none) },
];

export const running = {
  label: 'Running',
  states: [],
  of: (s) => s.running,
  total: (s) => s.overall.counts.running,
  keep: (t) => matches([t.name, t.id, t.func]),
  table: () => new Table({
    caption: 'Running tasks, the longest first', key: (t) => t.id, open: (t) => `task:${t.name}`, sort: '-age', empty: 'Nothing runs now.',
    columns: [
      ...taskColumns.slice(0, 1),
      { id: 'age', label: 'For', class: 'num', title: 'Since a worker took it', by: (t) => t.age_ms, text: (t) => duration(t.age_ms) },
      ...taskColumns.slice(1), ...about,
      { id: 'func', label: 'Function', class: 'mono wider', by: (t) => t.func, text: (t) => t.func },
      { id: 'act', label: '', class: 'act', make: actionCell((t) => [cancelButton(t.id)]) },
    ],
  }),
};

export const backoff = {
  label: 'Waiting for retry',
  states: [],
  of: (s) => s.backoff,
  total: (s) => s.overall.counts.retrying,
  keep: (t) => matches([t.name, t.id, t.message]),
  table: () => new Table({
    caption: 'Tasks that wait for their next attempt, the next first', key: (t) => t.id, open: (t) => `task:${t.name}`, sort: 'due', empty: 'Nothing waits for a retry.',
    columns: [
      ...taskColumns.slice(0, 1),
      { id: 'due', label: 'Due in', class: 'num', by: (t) => t.due_in_ms, make: (cell, t) => { cell.title = clock(t.due); return (row) => { cell.title = clock(row.due); setText(cell, row.due_in_ms > 0 ? span(row.due_in_ms) : 'now'); }; } },
      ...taskColumns.slice(1),
      { id: 'error', label: 'Last error', class: 'message', by: (t) => t.message, make: messageCell(() => '', (t) => t.message) },
      { id: 'act', label: '', class: 'act', make: actionCell((t) => [retryNowButton(t.id), cancelButton(t.id)]) },
    ],
  }),
};
