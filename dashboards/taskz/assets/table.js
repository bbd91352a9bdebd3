// A table whose rows are known by a key, so that an update changes what has changed and
// nothing else: no flicker, and the focus stays where it is.
import { el, arrange, setAttr, setText, byId } from './dom.js';
import { view, show, linkTo } from './hash.js';
import { plural } from './format.js';

const maxRows = 200; // more are shown when somebody asks

// A column has a label, a title that explains it, and either text(row) or make(cell, row),
// which returns what to call for each further row. by(row) is what it is sorted by. Of
// class: num, and wide or wider for columns that a narrow screen leaves out.
export class Table {
  constructor({ caption, columns, key, open, sort, empty, rowClass }) {
    Object.assign(this, { columns, key, open, sort, rowClass });
    this.rows = new Map();
    this.all = false;
    this.heads = columns.map((c) => this.head(c));
    this.body = el('tbody');
    this.more = el('button', { type: 'button', class: 'more', hidden: true, on: { click: () => { this.all = true; show({}); } } });
    this.empty = el('p', { class: 'empty' });
    this.emptyText = empty;
    this.table = el('table', {}, el('caption', { class: 'hidden', text: caption }), el('thead', {}, el('tr', {}, ...this.heads)), this.body);
    this.node = el('div', { class: 'list' }, el('div', { class: 'scroll' }, this.table), this.more, this.empty);
    this.body.addEventListener('click', (e) => this.click(e));
  }

  head(column) {
    const attrs = { scope: 'col', class: column.class, title: column.title };
    if (!column.by) return el('th', { ...attrs, text: column.label });
    return el('th', attrs, el('button', { type: 'button', text: column.label, on: { click: () => this.sortBy(column.id) } }));
  }

  // sortBy sorts by a column, the other way round the second time.
  sortBy(id) {
    const order = this.order();
    const column = this.columns.find((c) => c.id === id);
    const down = order.id === id ? !order.down : Boolean(column.class?.includes('num'));
    show({ sort: `${down ? '-' : ''}${id}` });
  }

  order() {
    const text = this.columns.some((c) => c.id === view.sort.replace(/^-/, '')) ? view.sort : this.sort;
    return { id: text.replace(/^-/, ''), down: text.startsWith('-') };
  }

  // click opens the row, wherever in it that was: the link is the same for the keyboard.
  click(e) {
    if (e.target.closest('a, button, input') || getSelection()?.toString()) return;
    e.target.closest('tr')?.querySelector('a.open')?.click();
  }

  update(list, filtered) {
    const { id, down } = this.order();
    const by = this.columns.find((c) => c.id === id)?.by;
    const sorted = by ? [...list].sort((a, b) => compare(by(a), by(b)) * (down ? -1 : 1)) : list;
    this.columns.forEach((c, i) => setAttr(this.heads[i], 'aria-sort', c.id === id && by ? (down ? 'descending' : 'ascending') : null));
    const shown = this.all ? sorted : sorted.slice(0, maxRows);
    const before = this.rows;
    this.rows = new Map();
    for (const item of shown) {
      const key = this.key(item);
      const row = before.get(key) ?? this.make(item);
      row.update(item);
      this.rows.set(key, row);
    }
    arrange(this.body, [...this.rows.values()].map((r) => r.node));
    this.rove();
    setAttr(this.table, 'hidden', !list.length);
    setAttr(this.empty, 'hidden', Boolean(list.length));
    setText(this.empty, filtered ? 'Nothing matches the search and filters.' : this.emptyText);
    setAttr(this.more, 'hidden', shown.length === list.length);
    setText(this.more, `Show all ${plural(list.length, 'row')}`);
  }

  make(item) {
    const updates = [];
    const node = el('tr', {}, ...this.columns.map((c) => {
      const cell = el(c.head ? 'th' : 'td', { class: c.class, scope: c.head ? 'row' : null });
      updates.push(c.make ? c.make(cell, item) : (row) => setText(cell, c.text(row)));
      return cell;
    }));
    return {
      node,
      update: (row) => {
        for (const update of updates) update?.(row);
        setAttr(node, 'class', this.rowClass?.(row) || null);
        const link = node.querySelector('a.open');
        if (link && this.open) setAttr(link, 'href', linkTo(this.open(row)));
        if (this.open) setAttr(node, 'aria-current', view.open === this.open(row) ? 'true' : null);
      },
    };
  }

  // rove lets Tab reach one row only; j and k, or the arrows, go on from there.
  rove() {
    const links = [...this.body.querySelectorAll('a.open')];
    const current = links.find((l) => l === document.activeElement) ?? links.find((l) => l.tabIndex === 0) ?? links[0];
    for (const link of links) link.tabIndex = link === current ? 0 : -1;
  }
}

function compare(a, b) {
  if (typeof a === 'string' && typeof b === 'string') return a.localeCompare(b, 'en');
  return (a ?? -1) - (b ?? -1);
}

// move puts the focus on the next row, or the one before.
export function move(by) {
  const links = [...byId('panel').querySelectorAll('a.open')];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const to = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by));
  for (const link of links) link.tabIndex = -1;
  links[to].tabIndex = 0;
  links[to].focus();
}
