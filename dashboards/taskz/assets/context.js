// What the parts of the page have to know of the last state besides their own rows.

export const context = {
  now: 0, // the server's time
  actions: false, // whether there are any
  state: null,
};

export function remember(state) {
  context.now = Date.parse(state.time);
  context.actions = state.actions;
  context.state = state;
}
