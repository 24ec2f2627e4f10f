// @ts-check
(() => {
  /** @param {Element} root */
  const equip = (root) => {
    const head = /** @type {Element} */ (root.querySelector(".wt-head"));
    const name = head.querySelector("code")?.textContent;
    /** @type {HTMLInputElement[]} */
    const lines = [...root.querySelectorAll("input")];
    const at = () => lines.findIndex((line) => line.checked);

    const nav = head.appendChild(document.createElement("span"));
    nav.className = "wt-nav";
    const count = nav.appendChild(document.createElement("span"));
    count.className = "wt-count";
    /** @param {string} sign @param {string} label @param {number} move */
    const button = (sign, label, move) => {
      const made = nav.appendChild(document.createElement("button"));
      made.type = "button";
      made.textContent = sign;
      made.setAttribute("aria-label", `${label} line of ${name}`);
      made.onclick = () => go(at() + move);
      return made;
    };
    const previous = button("↑", "Previous", -1);
    const next = button("↓", "Next", 1);

    const show = () => {
      count.textContent = `${at() + 1} of ${lines.length}`;
      previous.ariaDisabled = String(at() === 0);
      next.ariaDisabled = String(at() === lines.length - 1);
    };
    /** @param {number} to */
    const go = (to) => {
      const line = lines[Math.max(0, Math.min(to, lines.length - 1))];
      line.checked = true;
      // A button keeps the focus, so that it can be pressed again; the keys take it along.
      if (!nav.contains(document.activeElement)) line.focus();
      show();
    };
    root.addEventListener("change", show);
    root.addEventListener("keydown", (pressed) => {
      const event = /** @type {KeyboardEvent} */ (pressed);
      const last = lines.length - 1;
      /** @type {Record<string, number>} */
      const keys = {
        ArrowDown: at() + 1, ArrowRight: at() + 1, ArrowUp: at() - 1, ArrowLeft: at() - 1, Home: 0, End: last,
      };
      const modified = event.altKey || event.ctrlKey || event.metaKey || event.shiftKey;
      const inside = event.target instanceof Element && event.target.closest(".wt-state");
      if (modified || !(event.key in keys) || inside) return;
      event.preventDefault();
      go(keys[event.key]);
    });
    // Read out with its line, where the browser can; the state stands after the line in any case.
    for (const line of lines) {
      const state = line.closest(".wt-step")?.querySelector(".wt-state");
      if (state) line.ariaDescribedByElements = [state];
    }
    // Keeps JupyterLab's own shortcuts out.
    for (const control of root.querySelectorAll("input, button, summary"))
      control.setAttribute("data-lm-suppress-shortcuts", "true");
    show();
  };
  // In a notebook the script stands within its walkthrough; a page of the book loads it once, for all.
  const own = document.currentScript?.closest(".wt");
  for (const root of own ? [own] : document.querySelectorAll(".wt")) equip(root);
})();
