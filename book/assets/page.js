// @ts-check
// What the theme leaves undone on a page: wide things that the keyboard can scroll, and prints on white.
(() => {
  // A formula or an output that is wider than the screen scrolls sideways: let the keyboard reach it, and only then.
  const WIDE = "div.math, div.math mjx-container, .cell_output > .output, .pst-scrollable-table-container";
  const mark = () => {
    for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(WIDE))) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  let waiting = 0;
  addEventListener("load", async () => {
    await /** @type {any} */ (window).MathJax?.startup?.promise;
    mark();
    addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = window.setTimeout(mark, 150);
    });
  });

  // Paper is white and has no folds. (Pictures that were not fetched yet, browsers fetch before they print.)
  const root = document.documentElement;
  /** @type {string | undefined} */
  let theme;
  /** @type {NodeListOf<HTMLDetailsElement>} */
  let folded;
  matchMedia("print").addEventListener("change", ({ matches: printing }) => {
    if (printing) {
      theme = root.dataset.theme;
      root.dataset.theme = "light";
      folded = document.querySelectorAll("article details:not([open])");
    } else root.dataset.theme = theme;
    for (const fold of folded) fold.open = printing;
  });
})();
