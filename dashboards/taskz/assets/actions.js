// What a person may do to a task. The server decides who may, and records who did.
import { el, byId } from './dom.js';

// notice tells what became of an action.
export function notice(text, bad = false) {
  const close = el('button', { type: 'button', text: 'Close', on: { click: () => node.remove() } });
  const node = el('div', { class: bad ? 'notice bad' : 'notice' }, el('p', { text }), close);
  byId('notices').append(node);
  while (byId('notices').children.length > 4) byId('notices').firstChild.remove();
  if (!bad) setTimeout(() => node.remove(), 6000);
}

async function post(path, what) {
  try {
    const response = await fetch(path, { method: 'POST', headers: { Accept: 'application/json' } });
    const body = await response.json().catch(() => ({}));
    if (response.ok) notice(`${what}: ${body.result}, by ${body.who || 'an unnamed user'}.`);
    else if (response.status === 403) notice(`${what}: not allowed. ${body.error?.message ?? ''}`, true);
    else notice(`${what}: ${body.error?.message ?? `the server answers ${response.status}`}`, true);
    return response.ok;
  } catch {
    notice(`${what}: the server does not answer. Whether it was done is unknown.`, true);
    return false;
  }
}

// button makes a button for an action. One that can't be taken back asks first, in place.
function button(label, path, { ask, done }) {
  const node = el('span', { class: 'action' });
  const run = async () => {
    for (const b of node.querySelectorAll('button')) b.disabled = true;
    if (await post(path, label)) done?.();
    rest();
  };
  const rest = () => node.replaceChildren(el('button', { type: 'button', text: label, on: { click: ask ? confirm : run } }));
  const confirm = () => {
    const no = el('button', { type: 'button', text: 'No', on: { click: leave } });
    node.replaceChildren(el('span', { class: 'ask', text: ask }), el('button', { type: 'button', class: 'danger', text: `Yes, ${label.toLowerCase()}`, on: { click: run } }), no);
    no.focus();
  };
  const leave = () => {
    rest();
    node.firstChild.focus();
  };
  node.addEventListener('keydown', (e) => {
    if (e.key !== 'Escape' || !node.querySelector('.ask')) return;
    e.stopPropagation();
    leave();
  });
  rest();
  return node;
}

const of = (kind, id, verb) => `${kind}/${encodeURIComponent(id)}/${verb}`;

export const cancelButton = (id) => button('Cancel', of('tasks', id, 'cancel'), { ask: 'Cancel this task?' });
export const retryNowButton = (id) => button('Retry now', of('tasks', id, 'retry'), {});
export const retryLetterButton = (id, done) => button('Retry', of('dead-letters', id, 'retry'), { done });
export const discardButton = (id, done) => button('Discard', of('dead-letters', id, 'discard'), { ask: 'Delete it for good?', done });
