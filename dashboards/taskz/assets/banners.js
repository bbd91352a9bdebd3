// What concerns the whole page: the connection, a shutdown, handlers that are stuck.
import { el, byId, arrange, setAttr, setText } from './dom.js';
import { clock, plural } from './format.js';

const banners = {};
for (const [id, severity] of [['offline', 'bad'], ['closing', 'warn'], ['blocked', 'warn'], ['full', 'bad'], ['engine', 'warn'], ['lost', 'warn']]) {
  banners[id] = el('p', { class: 'banner', id: `banner-${id}`, 'data-severity': severity });
}
const texts = {};

function show() {
  arrange(byId('banners'), Object.keys(banners).filter((id) => texts[id]).map((id) => {
    setText(banners[id], texts[id]);
    return banners[id];
  }));
}

export function showConnection(status, since, why) {
  const label = { connecting: 'Connecting', live: 'Live', stale: 'Disconnected' }[status];
  setText(byId('status'), label);
  setAttr(byId('status'), 'data-state', status);
  setAttr(document.body, 'data-stale', status === 'stale' ? '' : null);
  texts.offline = status === 'stale'
    ? `No data since ${clock(new Date(since))}: what is shown is of then. Reconnecting${why ? `; ${why}` : ''}.` : '';
  if (status === 'connecting' && why) texts.offline = `No data yet: ${why}. Trying again.`;
  show();
}

export function showState(s) {
  const c = s.overall.counts;
  texts.closing = s.closing ? `Shutdown in progress: ${plural(c.running, 'task')} running, ${c.pending + c.retrying} waiting. No task is admitted any more.` : '';
  texts.blocked = s.blocked_handlers.length ? `Blocked error ${s.blocked_handlers.length === 1 ? 'handler' : 'handlers'}, given up on and passed over until it returns: ${s.blocked_handlers.join(', ')}` : '';
  texts.full = s.fill.slots >= s.fill.slots_max ? 'The queue is full: scheduling fails with ErrQueueFull.' : '';
  texts.lost = s.spans_dropped ? `${plural(s.spans_dropped, 'span')} lost on the way to the back end: some traces can't be found.` : '';
  texts.engine = s.durable?.error ? `The engine of durable tasks does not answer: ${s.durable.error}` : '';
  show();
}
