// The strip at the top: what fails now, and what failed a while ago. Who is paged looks
// here first.
import { el, byId, arrange, setAttr, setText } from './dom.js';
import { linkTo } from './hash.js';
import { ago, count, percent, plural, span } from './format.js';
import { message } from './cells.js';
import { failing, struggling } from './status.js';

const most = 6;
const lost = ['failed', 'dropped']; // one that was rescued or canceled is not
const recently = 15 * 60e3; // ms, as the history
const cards = new Map();
const quiet = el('p', { class: 'quiet' });
const rest = el('p', { class: 'rest' }, el('a', {}));

// card shows one task; its link opens the newest failure of it.
function card() {
  const link = el('a', { class: 'name' });
  const [amount, when] = [el('span', { class: 'amount' }), el('span', { class: 'when' })];
  const text = el('p', { class: 'message' });
  const node = el('article', { class: 'card' }, el('p', { class: 'line' }, link, when), el('p', { class: 'line' }, amount), text);
  node.addEventListener('click', (e) => {
    if (!e.target.closest('a') && !getSelection()?.toString()) link.click();
  });
  return {
    node,
    update(c) {
      setAttr(node, 'data-severity', c.severity);
      setText(link, c.name);
      setAttr(link, 'href', linkTo(c.open));
      setText(amount, c.amount);
      setText(when, c.when);
      setText(text, c.text);
    },
  };
}

export function updateFailing(s) {
  const all = cardsOf(s);
  const shown = all.slice(0, most);
  const nodes = shown.map((c) => {
    if (!cards.has(c.name)) cards.set(c.name, card());
    cards.get(c.name).update(c);
    return cards.get(c.name).node;
  });
  const names = new Set(shown.map((c) => c.name));
  for (const name of cards.keys()) if (!names.has(name)) cards.delete(name);
  if (!nodes.length) {
    setText(quiet, s.tasks.length ? 'Nothing has failed in the last 15 minutes.' : 'No task has run yet.');
    nodes.push(quiet);
  }
  if (all.length > most) {
    setText(rest.firstChild, `${plural(all.length - most, 'more task')}`);
    setAttr(rest.firstChild, 'href', '#tab=failures');
    nodes.push(rest);
  }
  arrange(byId('failing'), nodes);
}

// cardsOf has the worst first: what fails now, by how much; what struggles; what failed
// within the history.
function cardsOf(s) {
  const now = Date.parse(s.time);
  const newest = new Map();
  for (const f of s.failures) if (!newest.has(f.name) && lost.includes(f.state)) newest.set(f.name, f);
  const window = span(s.window_ms);
  return s.tasks
    .map((t) => {
      const f = newest.get(t.name);
      const bad = t.window.failed + t.window.dropped;
      const past = t.recent.failed || (f && now - Date.parse(f.time) < recently);
      const rank = failing(t) ? 3 : struggling(t) ? 2 : past ? 1 : 0;
      return {
        rank, bad, name: t.name, severity: ['', 'past', 'warn', 'bad'][rank],
        open: f ? `failure:${f.id}` : `task:${t.name}`,
        amount: amountOf(t, bad, rank, window),
        when: rank === 2 || !f ? '' : ago(now - Date.parse(f.time)),
        text: rank === 2 ? waiting(s, t) : f ? message(f) : '',
      };
    })
    .filter((c) => c.rank)
    .sort((a, b) => b.rank - a.rank || b.bad - a.bad || a.name.localeCompare(b.name, 'en'));
}

function amountOf(t, bad, rank, window) {
  if (rank === 3) return `${count(bad)} of ${count(t.window.ended)} failed (${percent(bad, t.window.ended)}) in ${window}`;
  if (rank === 2) return `${plural(t.window.retries + t.window.requeued, 'retry', 'retries')} in ${window}, ${count(t.counts.retrying)} waiting for the next; none failed for good`;
  if (!t.recent.failed) return 'failed before the history began';
  return `${count(t.recent.failed)} of ${count(t.recent.ended)} failed in 15 min, none in the last ${window}`;
}

const waiting = (s, t) => s.backoff.find((b) => b.name === t.name)?.message ?? '';
