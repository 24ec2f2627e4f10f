(() => {
  const root = document.currentScript.closest(".wt");
  const lines = [...root.querySelectorAll("input")];
  const nav = root.querySelector(".wt-nav");
  const [count, previous, next] = nav.children;
  const at = () => lines.findIndex((line) => line.checked);
  const show = () => {
    count.textContent = `${at() + 1} of ${lines.length}`;
    previous.disabled = at() <= 0;
    next.disabled = at() >= lines.length - 1;
  };
  const go = (to) => {
    const line = lines[Math.max(0, Math.min(to, lines.length - 1))];
    line.checked = true;
    // The buttons keep the focus, so that they can be pressed again; the keys take it along.
    if (!nav.contains(document.activeElement)) line.focus();
    show();
  };
  previous.onclick = () => go(at() - 1);
  next.onclick = () => go(at() + 1);
  root.addEventListener("change", show);
  root.addEventListener("keydown", (event) => {
    const keys = { ArrowDown: at() + 1, ArrowRight: at() + 1, ArrowUp: at() - 1, ArrowLeft: at() - 1, Home: 0, End: lines.length - 1 };
    const other = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
    if (other || !(event.key in keys) || event.target.closest(".wt-state")) return;
    event.preventDefault();
    go(keys[event.key]);
  });
  // Read out with its line, where the browser can; the state stands after the line in any case.
  for (const line of lines) line.ariaDescribedByElements = [line.closest(".wt-step").querySelector(".wt-state")];
  nav.hidden = false;
  show();
})();
