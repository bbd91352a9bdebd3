// What is shown is in the hash of the address, so that it can be sent to a colleague, and
// survives a reload.

const defaults = { tab: 'tasks', q: '', state: '', type: '', sort: '', open: '' };
const listeners = [];

export const view = { ...defaults };

export function onView(listener) {
  listeners.push(listener);
}

// show changes the view. What was opened can be closed with the browser's Back; letters
// that were typed into the search are no steps of their own.
export function show(change) {
  const opened = change.open && change.open !== view.open;
  Object.assign(view, change);
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(view)) if (value !== defaults[name]) params.set(name, value);
  const url = `#${params}`;
  if (opened) history.pushState(null, '', url);
  else history.replaceState(null, '', url);
  tell();
}

// linkTo is the address of an item, for links that open it.
export function linkTo(open) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...view, open })) if (value !== defaults[name]) params.set(name, value);
  return `#${params}`;
}

function read() {
  const params = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(defaults)) view[name] = params.get(name) ?? defaults[name];
}

function tell() {
  for (const listener of listeners) listener();
}

addEventListener('popstate', () => {
  read();
  tell();
});
read();
