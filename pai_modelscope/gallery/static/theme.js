// Runs before the first paint, so that a page that was switched to dark does not flash.
(() => {
  let kept = null;
  try { kept = localStorage.getItem('theme'); } catch { /* a browser may refuse to remember for files */ }
  if (kept) document.documentElement.dataset.theme = kept;
})();
