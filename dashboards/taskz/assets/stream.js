// The connection to the server: a stream while the page is visible, and what to do when
// there is none.

const staleAfter = 4000; // ms without a state; there should be one each second
const retryAfter = 2000;

// connect calls onState and onPoint with what comes, and onStatus with what the connection
// is: connecting, live or stale, since when, and why.
export function connect({ onState, onPoint, onStatus }) {
  let source = null;
  let last = 0; // when the last state came
  let expected = 0; // since when states should come
  let timer = 0;
  let why = '';

  const got = (state) => {
    last = Date.now();
    why = '';
    onState(state);
    onStatus('live');
  };

  function open() {
    close();
    expected ||= Date.now();
    source = new EventSource('events');
    source.addEventListener('state', (e) => got(JSON.parse(e.data)));
    source.addEventListener('point', (e) => onPoint(JSON.parse(e.data)));
    source.addEventListener('error', () => {
      // The browser tries again by itself unless the server has answered with an error.
      if (source?.readyState === EventSource.CLOSED) again();
    });
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  // again asks once without the stream, which something on the way may not let through,
  // and then tries the stream again.
  async function again() {
    close();
    try {
      const response = await fetch('./', { headers: { Accept: 'application/json' } });
      if (response.ok) got(await response.json());
      else why = `the server answers ${response.status}`;
    } catch {
      why = 'the server does not answer';
    }
    timer = setTimeout(open, retryAfter);
  }

  document.addEventListener('visibilitychange', () => {
    expected = 0;
    if (document.hidden) close(); // nobody looks: don't have the server work for it
    else open();
  });
  setInterval(() => {
    if (!document.hidden && Date.now() - Math.max(last, expected) > staleAfter) onStatus(last ? 'stale' : 'connecting', last, why);
  }, 1000);
  open();
}
