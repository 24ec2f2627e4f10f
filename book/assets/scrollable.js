// A formula or an output that is wider than the screen scrolls sideways: let the keyboard reach it, and only then.
(() => {
  const mark = () => {
    for (const box of document.querySelectorAll("div.math, div.math mjx-container, .cell_output > .output, .pst-scrollable-table-container")) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  let waiting;
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(mark, 150); };
  addEventListener("load", async () => {
    await window.MathJax?.startup?.promise;
    mark();
    addEventListener("resize", soon);
  });
})();
