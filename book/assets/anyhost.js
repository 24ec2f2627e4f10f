/* anyhost: shows the live figures of an executed notebook on a static page, without a kernel and without a network.

   myst-nb writes the stored state of all widgets into one script tag, and one further script tag where each is shown.
   This gives every anywidget there what Jupyter would give it: a model with its state, and an element to draw in.
   What a reader changes stays in the page. */
(() => {
  "use strict";
  const tags = (kind) => document.querySelectorAll(`script[type="application/vnd.jupyter.widget-${kind}+json"]`);

  class Model {
    #state;
    #listeners = new Map();
    constructor({ state, buffers = [] }) {
      this.#state = state;
      for (const { path, data } of buffers) {
        const holder = path.slice(0, -1).reduce((inner, key) => inner[key], state);
        holder[path.at(-1)] = new DataView(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)).buffer);
      }
    }
    get(name) {
      return this.#state[name];
    }
    set(name, value) {
      this.#state[name] = value;
      for (const act of [...(this.#listeners.get(`change:${name}`) ?? [])]) act();
    }
    on(event, act) {
      if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
      this.#listeners.get(event).add(act);
    }
    off(event, act) {
      this.#listeners.get(event)?.delete(act);
    }
    save_changes() {}
    send() {}
  }

  // Figures of one kind share their source text, and so their module.
  const modules = new Map();
  const load = (source) => {
    if (!modules.has(source)) {
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      modules.set(source, import(url).finally(() => URL.revokeObjectURL(url)));
    }
    return modules.get(source);
  };

  const styles = new Set();
  const style = (text) => {
    if (!text || styles.has(text)) return;
    styles.add(text);
    const element = document.createElement("style");
    element.textContent = text;
    document.head.append(element);
  };

  const show = async (model, el) => {
    if (model?.get("_model_module") !== "anywidget") {
      el.textContent = "This control needs a running kernel: open the notebook in JupyterLab to use it.";
      return;
    }
    style(model.get("_css"));
    try {
      const { default: widget } = await load(model.get("_esm"));
      await widget.render({ model, el });
    } catch (error) {
      el.textContent = `This figure could not be drawn: ${error.message}`;
      console.error(error);
    }
  };

  // The state stands in the head of the page: modules are fetched while the rest of the page is parsed.
  const models = new Map();
  const read = () => {
    for (const tag of tags("state"))
      for (const [id, record] of Object.entries(JSON.parse(tag.textContent).state)) {
        if (models.has(id)) continue;
        models.set(id, new Model(record));
        if (record.state._esm) load(record.state._esm).catch(() => {});
      }
  };

  const start = async () => {
    read();
    await Promise.all(
      [...tags("view")].map((tag) => {
        const el = document.createElement("div");
        tag.after(el);
        return show(models.get(JSON.parse(tag.textContent).model_id), el);
      }),
    );
    document.documentElement.dataset.anyhost = "done";
  };

  read();
  // Once the page is parsed, and before deferred scripts run: figures do not wait for the mathematics.
  if (document.readyState === "loading") document.addEventListener("readystatechange", start, { once: true });
  else start();
})();
