// A failure, or a dead letter: error, trace and arguments first, then how it came to it.
import { el } from './dom.js';
import { linkTo } from './hash.js';
import { duration, none } from './format.js';
import { badge, time, traceLink } from './cells.js';
import { context } from './context.js';
import { discardButton, retryLetterButton } from './actions.js';
import { closeDrawer } from './drawer.js';
import { forget } from './durable.js';

export const failureDetail = (id, s) => detail('failures', id, s.failures.find((f) => f.id === id), failure);
export const letterDetail = (id, s) => detail('dead-letters', id, s.durable?.dead_letters.find((l) => l.id === id), letter);

// detail shows what is known already, and asks for the rest.
function detail(path, id, known, view) {
  const node = el('div', { class: 'detail' });
  if (known) node.append(...view(known));
  else node.append(heading('Loading'));
  (async () => {
    try {
      const response = await fetch(`${path}/${encodeURIComponent(id)}`, { headers: { Accept: 'application/json' } });
      const body = await response.json();
      if (response.ok) node.replaceChildren(...view(body));
      else missing(node, known, body.error.message);
    } catch {
      missing(node, known, 'The server does not answer. Open it again to ask again.');
    }
    if (document.activeElement === document.body) node.querySelector('h2').focus();
  })();
  return { node };
}

function missing(node, known, text) {
  if (!known) node.replaceChildren(heading('Not here'));
  node.append(el('p', { class: 'note', 'data-severity': 'bad', text }));
}

const heading = (text) => el('h2', { id: 'drawer-title', tabindex: -1, text });

function failure(f) {
  return [
    ...head(f, f.state, f.time),
    ...args(f.args),
    ...attempts(f.history),
    ...stack(f.stack),
    ...facts([
      ['Task id', f.id], ['Function', f.func], ['Timing', f.timing], ['Shield', f.shield == null ? '' : f.shield ? 'yes' : 'no'],
      ['Kind', f.kind], ['Verdict', f.verdict], ['By handler', f.handler], ['Escalation', f.escalation], ['Trace id', f.trace_id], ['Span id', f.span_id],
    ]),
  ];
}

function letter(l) {
  const done = () => {
    forget(l);
    closeDrawer();
  };
  const act = context.actions ? el('p', { class: 'act' }, retryLetterButton(l.id, done), discardButton(l.id, done)) : null;
  return [
    ...head(l, 'dead', l.failed),
    act,
    ...args(l.args),
    ...attempts(l.history),
    ...facts([
      ['Task id', l.task_id], ['Job id', l.id], ['Queue', l.queue], ['Enqueued', l.enqueued && time(l.enqueued)], ['Function', l.func], ['Timing', l.timing],
      ['Kind', l.kind], ['Attempt', String(l.attempt)], ['Trace id', l.trace_id], ['Span id', l.span_id],
    ]),
  ].filter(Boolean);
}

function head(f, state, when) {
  const trace = traceLink(f, 'Open trace');
  return [
    heading(f.name),
    el('p', { class: 'line' }, badge(state), time(when), el('a', { href: linkTo(`task:${f.name}`), text: 'About the task' })),
    el('p', { class: 'error' }, el('b', { text: f.error_type || f.kind || 'error' }), el('span', { text: f.message })),
    el('p', { class: 'line' }, trace ?? el('span', { class: 'muted', text: f.trace_id ? 'Set Config.TraceURL to have a link to the trace here.' : 'It has no trace.' })),
  ];
}

const section = (title, ...nodes) => [el('h3', { text: title }), ...nodes];

function args(text) {
  if (text == null) return [];
  if (!text) return section('Arguments', el('p', { class: 'muted', text: 'None: a closure, or a task without any.' }));
  return section('Arguments', el('pre', { class: 'args', tabindex: 0, text }));
}

const stack = (text) => (text ? section('Stack', el('pre', { class: 'stack', tabindex: 0, text })) : []);

const attemptHeads = ['Attempt', 'Started', 'Took', 'Error', 'Verdict'];

function attempts(list) {
  if (!list?.length) return [];
  const rows = list.map((a) => el('tr', {},
    el('th', { scope: 'row', text: a.fallback ? 'fallback' : a.attempt ? String(a.attempt) : none }),
    el('td', { class: 'num' }, time(a.start)),
    el('td', { class: 'num', text: duration(a.duration_ms) }),
    el('td', { class: 'message' }, el('b', { text: a.error_type || a.kind }), ' ', el('span', { text: a.message })),
    el('td', { text: a.handler ? `${a.verdict} (${a.handler})` : a.verdict || none })));
  const table = el('table', {}, el('caption', { class: 'hidden', text: 'Failed attempts' }), el('thead', {}, el('tr', {}, ...attemptHeads.map((text) => el('th', { scope: 'col', text })))), el('tbody', {}, ...rows));
  return section(`Failed attempts (${list.length})`, el('div', { class: 'scroll' }, table));
}

function facts(list) {
  const rows = list.filter(([, value]) => value).map(([name, value]) => el('div', {}, el('dt', { text: name }), el('dd', {}, value)));
  return section('Details', el('dl', { class: 'facts' }, ...rows));
}
