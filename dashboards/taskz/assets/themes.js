// The theme: the system's, or one that was chosen.
import { byId, setText } from './dom.js';

const themes = ['auto', 'light', 'dark'];
const root = document.documentElement;

const current = () => root.dataset.theme ?? 'auto';

const label = () => setText(byId('theme'), `Theme: ${current()}`);

export function nextTheme() {
  const next = themes[(themes.indexOf(current()) + 1) % themes.length];
  if (next === 'auto') delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    localStorage.setItem('taskz.theme', next);
  } catch {
    // It holds until the page is closed, then.
  }
  label();
}

export function startTheme() {
  label();
  byId('theme').addEventListener('click', nextTheme);
}
