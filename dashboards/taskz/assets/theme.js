// It runs before the first paint, which a module would not, so that a chosen theme does
// not flash up in the other one.
(() => {
  try {
    const theme = localStorage.getItem('taskz.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // No storage is allowed: the system's theme it is.
  }
})();
