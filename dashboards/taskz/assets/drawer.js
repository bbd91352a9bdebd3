// The drawer: one task, failure or dead letter, with all that is known.
import { el, byId, setAttr } from './dom.js';
import { view, show } from './hash.js';
import { taskDetail } from './taskdetail.js';
import { failureDetail, letterDetail } from './failuredetail.js';

const kinds = { task: taskDetail, failure: failureDetail, letter: letterDetail };
let opened = '';
let detail = null; // { node, update? }
let back = null; // where the focus was

// updateDrawer opens and closes as the view says, and brings what is open up to date.
export function updateDrawer(s) {
  if (view.open !== opened) change(s);
  detail?.update?.(s);
}

function change(s) {
  const was = opened;
  opened = view.open;
  const [kind, id] = cut(opened);
  detail = kinds[kind]?.(id, s) ?? null;
  const drawer = byId('drawer');
  setAttr(drawer, 'hidden', !detail);
  setAttr(document.body, 'data-drawer', detail ? '' : null);
  if (!detail) {
    drawer.replaceChildren();
    if (was && back?.isConnected) back.focus();
    return;
  }
  if (!drawer.contains(document.activeElement)) back = document.activeElement;
  const close = el('button', { type: 'button', class: 'close', text: 'Close', on: { click: closeDrawer } });
  drawer.replaceChildren(el('div', { class: 'drawer-bar' }, copyButton(), close), detail.node);
  drawer.scrollTop = 0;
  drawer.querySelector('h2')?.focus();
}

function cut(text) {
  const at = text.indexOf(':');
  return [text.slice(0, at), text.slice(at + 1)];
}

export const closeDrawer = () => show({ open: '' });

// copyButton copies the address of what is open. Without HTTPS browsers have no clipboard.
function copyButton() {
  if (!navigator.clipboard) return null;
  const button = el('button', { type: 'button', text: 'Copy link', on: { click: async () => {
    await navigator.clipboard.writeText(location.href).then(() => { button.textContent = 'Copied'; }, () => { button.textContent = 'Copy the address'; });
  } } });
  return button;
}
