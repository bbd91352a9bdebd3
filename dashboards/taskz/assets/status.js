// What a task's row and the strip above agree on: what is failing.

export const failing = (t) => t.window.failed + t.window.dropped > 0;
export const struggling = (t) => !failing(t) && t.window.retries + t.window.requeued + t.counts.retrying > 0;

// stateOf is a word for a task's row, and what the state filter asks for.
export function stateOf(t) {
  if (failing(t)) return 'failing';
  if (struggling(t)) return 'retrying';
  if (t.counts.running) return 'running';
  if (t.counts.pending) return 'pending';
  return 'idle';
}
