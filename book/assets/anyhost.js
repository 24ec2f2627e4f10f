// @ts-check
/* anyhost: shows the live figures of a notebook on a static page, without a kernel and without a network.

   A figure stands on the page as a tag with its numbers; its script and the kit were loaded before, as files of the
   site. This gives the figure what Jupyter would give it: a model with its state, and an element to draw in. What a
   reader changes stays in the page. */
(() => {
  "use strict";
  /** @param {string} kind */
  const tags = (kind) => document.querySelectorAll(`script[type="application/vnd.${kind}+json"]`);

  // What Jupyter's front ends call a model: traits by name, and who listens to them.
  class Model {
    /** @type {Record<string, unknown>} */
    #traits;
    /** @type {Map<string, Set<() => void>>} */
    #listeners = new Map();
    /** @param {Record<string, unknown>} traits */
    constructor(traits) {
      this.#traits = traits;
    }
    /** @param {string} name */
    get(name) {
      return this.#traits[name];
    }
    /** @param {string} name @param {unknown} value */
    set(name, value) {
      this.#traits[name] = value;
      for (const act of [...(this.#listeners.get(`change:${name}`) ?? [])]) act();
    }
    /** @param {string} event @param {() => void} act */
    on(event, act) {
      const listeners = this.#listeners.get(event) ?? new Set();
      this.#listeners.set(event, listeners.add(act));
    }
    /** @param {string} event @param {() => void} act */
    off(event, act) {
      this.#listeners.get(event)?.delete(act);
    }
    save_changes() {}
    send() {}
  }

  // Arrays are stored as base64; a kernel would send them as views of bytes.
  /** @param {string} key @param {unknown} value */
  const revive = (key, value) =>
    key === "float32" && typeof value === "string"
      ? new DataView(Uint8Array.from(atob(value), (c) => c.charCodeAt(0)).buffer)
      : value;

  /** @param {Element} tag */
  const room = (tag) => {
    const el = document.createElement("div");
    tag.after(el);
    return el;
  };

  for (const tag of tags("rulbook.figure")) {
    const el = room(tag);
    try {
      const { script, spec, data, state } = JSON.parse(tag.textContent ?? "", revive);
      const figure = /** @type {any} */ (globalThis).rulbook?.figures[script];
      if (!figure) throw new Error(`its script, ${script}, did not load.`);
      figure.render({ model: new Model({ ...state, _spec: spec, _data: data }), el });
    } catch (error) {
      el.textContent = `This figure could not be drawn: ${error instanceof Error ? error.message : error}`;
      console.error(error);
    }
  }
  for (const tag of tags("jupyter.widget-view"))
    room(tag).textContent = "This control needs a running kernel: open the notebook in JupyterLab to use it.";
  document.documentElement.dataset.anyhost = "done";
})();
