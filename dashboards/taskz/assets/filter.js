// Search and filters.
import { view, show } from './hash.js';
import { byId, el, setAttr } from './dom.js';

export const filtered = () => Boolean(view.q || view.state || view.type);

// matches tells whether an item passes. texts are what the search looks at; all its words
// have to be somewhere in them. A list without states or error types leaves them out.
export function matches(texts, state = null, types = null) {
  if (view.state && state != null && state !== view.state) return false;
  if (view.type && types != null && !types.includes(view.type)) return false;
  if (!view.q) return true;
  const all = texts.join('\n').toLowerCase();
  return view.q.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

// offer fills a select. What was chosen stays on offer, though nothing is of it now.
function offer(select, values, chosen) {
  const all = [...new Set(['', ...values, chosen])];
  if (select.dataset.offer !== JSON.stringify(all)) {
    select.replaceChildren(...all.map((v) => el('option', { value: v, text: v || 'any' })));
    select.dataset.offer = JSON.stringify(all);
  }
  if (select.value !== chosen) select.value = chosen;
}

// showFilters makes the controls fit the list and the view.
export function showFilters(states, types) {
  offer(byId('state'), states, view.state);
  offer(byId('type'), types ?? [], view.type);
  setAttr(byId('state').parentNode, 'hidden', !states.length);
  setAttr(byId('type').parentNode, 'hidden', !types);
  setAttr(byId('clear'), 'hidden', !filtered());
  const search = byId('search');
  if (search.value !== view.q && document.activeElement !== search) search.value = view.q;
}

export function startFilters() {
  byId('search').addEventListener('input', (e) => show({ q: e.target.value.trim() }));
  byId('state').addEventListener('change', (e) => show({ state: e.target.value }));
  byId('type').addEventListener('change', (e) => show({ type: e.target.value }));
  byId('clear').addEventListener('click', () => {
    byId('search').value = '';
    show({ q: '', state: '', type: '' });
  });
}
