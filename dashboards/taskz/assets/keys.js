// The keyboard: every part can be reached without a mouse.
import { byId } from './dom.js';
import { view, show } from './hash.js';
import { move } from './table.js';
import { chooseNth } from './panel.js';
import { closeDrawer } from './drawer.js';
import { nextTheme } from './themes.js';

const typing = (node) => node.matches?.('input, select, textarea');

const keys = {
  '/': () => {
    byId('search').focus();
    byId('search').select();
  },
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  t: nextTheme,
  Escape: () => {
    if (view.open) closeDrawer();
  },
};
for (let n = 1; n <= 5; n++) keys[n] = () => chooseNth(n - 1);

export function startKeys() {
  addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
    if (typing(e.target)) return inSearch(e);
    // In the drawer the arrows scroll, and on the tabs they change the tab.
    if (e.key.startsWith('Arrow') && e.target.closest('#drawer, #tabs')) return;
    if (!keys[e.key]) return;
    e.preventDefault();
    keys[e.key]();
  });
}

// inSearch lets Escape empty the search and then leave it, and Enter go to the rows.
function inSearch(e) {
  if (e.target !== byId('search')) return;
  if (e.key === 'Escape') {
    if (e.target.value) {
      e.target.value = '';
      show({ q: '' });
    } else e.target.blur();
  } else if (e.key === 'Enter' || e.key === 'ArrowDown') move(1);
  else return;
  e.preventDefault();
}
