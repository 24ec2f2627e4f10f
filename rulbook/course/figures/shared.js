// @ts-check
// The toolkit of every live figure: native inputs, one SVG in CSS pixels, a read-out. A figure's script only draws:
// it is called anew with the whole state after each change and each resize, and returns the sentence to read out.

/** @typedef {[number, number] | number[]} Point  Positions are in data units. */
/** @typedef {{ domain: number[], label?: string, ticks?: number[], format?: (value: number) => string }} Axis */
/** @typedef {{ x: Axis, y: Axis, height?: number, left?: number, right?: number }} PanelOf */
/** @typedef {{ color?: string, dash?: string, width?: number }} Stroke */
/** @typedef {{ anchor?: string, color?: string, strong?: boolean, halo?: boolean, dx?: number, dy?: number }} Lettering */
/** @typedef {{ at: Point, text: string, color?: string }} Label */
/** @typedef {{ x?: string, y?: string }} Along  The control that a point moves along an axis. */
/** @typedef {{ color?: string, r?: number, marker?: string, hollow?: boolean }} Mark  A marker by matplotlib's letter. */
/** @typedef {{ label: string, color: string, dash?: boolean | string, marker?: string, hollow?: boolean }} Key */
/**
 * @typedef {object} Panel
 * @property {(domainY: number[]) => Panel} behind  The same panel with another scale along y, for what lies behind.
 * @property {(points: Point[], stroke?: Stroke) => void} line
 * @property {(points: Point[], stroke?: { color?: string }) => void} area
 * @property {(across: number[], up: number[], fill?: { color?: string }) => void} bar
 * @property {(a: number, stroke?: { color?: string, to?: number }) => void} rule
 * @property {(point: Point, mark?: Mark) => void} dot
 * @property {(point: Point, text: string, lettering?: Lettering) => void} text
 * @property {(items: Label[]) => void} labels
 * @property {(point: Point, along: Along) => void} handle
 */
/** @typedef {{ [method: string]: string } & { accent: string, others: string[] }} Colors */
/**
 * @typedef {object} Given  What a figure draws from, and with.
 * @property {Record<string, any>} state  The controls by name.
 * @property {any} data  What `tables()` returned, arrays as { shape, values }.
 * @property {any} colors  Colors of the book, by name.
 * @property {number} width  CSS pixels.
 * @property {(panel: PanelOf) => Panel} plot
 * @property {(items: Key[]) => void} legend
 * @property {(head: string[], rows: [string | Key, ...string[]][]) => void} table
 */
/** @typedef {{ name: string, kind: string, label: string } & Record<string, any>} Declared  A control of Python. */
/** @typedef {(value: any) => void} Take */
/**
 * @typedef {object} Built
 * @property {HTMLElement} element
 * @property {HTMLInputElement | HTMLSelectElement} [input]
 * @property {Take} show
 * @property {(value: any) => string} text
 */
/** @typedef {{ left: number, right: number, top: number, bottom: number }} Box */
/** @typedef {(p: number) => number} Scale */
/**
 * @typedef {object} Handle
 * @property {[number, number]} at
 * @property {Box} box
 * @property {Along} along
 * @property {{ x: Scale, y: Scale }} inverse
 */
/**
 * @typedef {object} Scene
 * @property {SVGSVGElement} svg
 * @property {number} width
 * @property {number} bottom
 * @property {Handle[]} handles
 * @property {string} [focused]
 */
/**
 * @typedef {object} Model  What a front end gives a widget.
 * @property {(name: string) => any} get
 * @property {(name: string, value: unknown) => void} set
 * @property {(event: string, act: () => void) => void} on
 * @property {(event: string, act: () => void) => void} off
 * @property {() => void} save_changes
 */

/** @param {number[] | Float32Array} values */
export const sum = (values) => Array.from(values).reduce((total, value) => total + value, 0);
/** @param {number} value @param {number} low @param {number} high */
export const clip = (value, low, high) => Math.min(Math.max(value, low), high);
/** @param {number} value */
export const fixed = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
/** @param {number} share */
export const percent = (share, digits = 1) => `${fixed(100 * share, digits)} %`;
/** @param {number} value */
export const whole = (value) => Math.floor(value + 0.5).toLocaleString("en-US").replace("-", "−");
// Three digits of a positive number, without an exponent.
/** @param {number} value */
export const short = (value) => (value >= 100 ? whole(value) : fixed(value, Math.max(0, 2 - Math.floor(Math.log10(value)))));
/** @param {number} count */
export const range = (count, from = 0, step = 1) => Array.from({ length: count }, (_, i) => from + i * step);

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 */
const html = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
};

/** @param {Element} parent @param {string} tag @param {Record<string, string | number | undefined>} attributes */
const svg = (parent, tag, attributes = {}, text = "") => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(key, String(value));
  element.textContent = text;
  return parent.appendChild(element);
};

// Markers of rulbook.looks around (0, 0), about as large as a dot of radius 1. Any other is drawn as a dot.
/** @type {Record<string, string>} */
const OUTLINES = {
  s: "M-.9-.9H.9V.9H-.9Z",
  "^": "M0-1.2 1.1.8H-1.1Z",
  D: "M0-1.25 1.25 0 0 1.25-1.25 0Z",
  P: "M-.4-1.2H.4V-.4H1.2V.4H.4V1.2H-.4V.4H-1.2V-.4H-.4Z",
  X: "M-1.1-.6-.6-1.1 0-.5.6-1.1 1.1-.6.5 0 1.1.6.6 1.1 0 .5-.6 1.1-1.1.6-.5 0Z",
};

const ROUND = "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0Z";

/** @param {Element} parent @param {number} x @param {number} y @param {Mark & { style?: string }} mark */
const markAt = (parent, x, y, { r = 4, marker = "o", hollow, style }) => {
  const kind = { class: hollow ? "dot hollow" : "dot", style };
  if (!(marker in OUTLINES)) return svg(parent, "circle", { ...kind, cx: x, cy: y, r });
  const line = { d: OUTLINES[marker], transform: `translate(${x} ${y}) scale(${r})`, "data-marker": marker };
  return svg(parent, "path", { ...kind, ...line });
};

// Arrays come from Python as {shape, float32}.
/** @param {any} value @returns {any} */
const unpacked = (value) => {
  if (Array.isArray(value)) return value.map(unpacked);
  if (value === null || typeof value !== "object") return value;
  if (value.float32) {
    const { buffer, byteOffset, byteLength } = value.float32;
    return { shape: value.shape, values: new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)) };
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpacked(item)]));
};

// ---- controls: each builder returns its element, show(value) and text(value) ----

/** @param {string} text @param {string} name @returns {[HTMLInputElement, HTMLLabelElement]} */
const check = (text, name) => {
  const box = html("input", { type: "checkbox", name });
  return [box, html("label", { class: "check" }, box, text)];
};

/** @type {Record<string, (control: Declared, set: Take) => Built>} */
const builders = {
  slider({ name, label, low, high, step, digits, unit }, set) {
    /** @param {number} value */
    const text = (value) => `${fixed(value, digits)} ${unit}`.trim();
    const input = html("input", { type: "range", name, min: low, max: high, step });
    const shown = html("span", { class: "value", "aria-hidden": "true" });
    input.addEventListener("input", () => set(Number(input.value)));
    /** @param {number} value */
    const show = (value) => {
      input.value = String(value);
      input.setAttribute("aria-valuetext", text(value));
      shown.textContent = text(value);
    };
    return { element: html("label", { class: "slider" }, html("span", {}, label), shown, input), input, show, text };
  },
  choice({ name, label, choices }, set) {
    const input = html("select", { name }, ...choices.map((/** @type {string} */ choice) => html("option", {}, choice)));
    input.addEventListener("change", () => set(input.value));
    /** @param {string} value */
    const show = (value) => (input.value = value);
    return { element: html("label", {}, html("span", {}, label), input), show, text: String };
  },
  several({ name, label, choices: all }, set) {
    /** @type {string[]} */
    const choices = all;
    const boxes = choices.map((choice) => check(choice, name));
    const element = html("fieldset", {}, html("legend", {}, label), ...boxes.map(([, labelled]) => labelled));
    element.addEventListener("change", () => set(choices.filter((_, i) => boxes[i][0].checked)));
    /** @param {string[]} value */
    const show = (value) => boxes.forEach(([box], i) => (box.checked = value.includes(choices[i])));
    return { element, show, text: (value) => value.join(", ") };
  },
  switch({ name, label }, set) {
    const [box, element] = check(label, name);
    box.addEventListener("change", () => set(box.checked));
    return { element, show: (value) => (box.checked = value), text: (value) => (value ? "yes" : "no") };
  },
};

// ---- drawing ----

// About one tick per `room` pixels, at steps of 1, 2 or 5 times a power of ten.
/** @param {number[]} domain @param {number} pixels @param {number} room */
const ticksFor = ([from, to], pixels, room) => {
  const rough = ((to - from) * room) / pixels;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.ceil(from / step - 1e-9);
  return range(Math.floor(to / step + 1e-9) - first + 1, first).map((i) => Number((i * step).toPrecision(12)));
};

// A panel with axes, placed below the panels drawn before it. Axis: { domain: [from, to], label, ticks, format }.
/** @param {Scene} scene @param {PanelOf} panel @returns {Panel} */
const plot = (scene, { x, y, height = 270, left = 46, right = 16 }) => {
  const top = scene.bottom + (y.label ? 30 : 10);
  const bottom = scene.bottom + height - (x.label ? 46 : 26);
  scene.bottom += height;
  const box = { left, right: scene.width - right, top, bottom };
  /** @param {number[]} domain @param {number} start @param {number} end @returns {Scale} */
  const scale = ([from, to], start, end) => (value) => start + ((value - from) / (to - from)) * (end - start);
  const X = scale(x.domain, box.left, box.right);
  /** @param {string} [color] */
  const ink = (color) => ({ style: color && `--color: ${color}` });
  const panel = svg(scene.svg, "g");

  /** @param {string} text @param {number} px @param {number} py @param {Lettering} lettering */
  const write = (text, px, py, { anchor = "start", color, strong, halo = true } = {}) => {
    const classes = [color && "tinted", strong && "strong", halo && "halo"].filter(Boolean).join(" ");
    svg(panel, "text", { x: px, y: py, "text-anchor": anchor, class: classes, ...ink(color) }, text);
  };

  const { ticks: ticksX = ticksFor(x.domain, box.right - box.left, 64), format: formatX = String } = x;
  const { ticks: ticksY = ticksFor(y.domain, bottom - top, 44), format: formatY = String } = y;
  const Y = scale(y.domain, box.bottom, box.top);
  for (const tick of ticksY) {
    svg(panel, "path", { class: "grid", d: `M${box.left},${Y(tick)}H${box.right}` });
    write(formatY(tick), box.left - 8, Y(tick) + 4, { anchor: "end", halo: false });
  }
  for (const tick of ticksX) {
    svg(panel, "path", { class: "axis", d: `M${X(tick)},${bottom}v5` });
    write(formatX(tick), X(tick), bottom + 19, { anchor: "middle", halo: false });
  }
  svg(panel, "path", { class: "axis", d: `M${box.left},${bottom}H${box.right}` });
  if (x.label) write(x.label, (box.left + box.right) / 2, bottom + 39, { anchor: "middle", halo: false });
  if (y.label) write(y.label, 2, top - 14, { halo: false });

  /** @param {number[]} domainY @returns {Panel} */
  const on = (domainY) => {
    const Y = scale(domainY, box.bottom, box.top);
    /** @param {Point[]} points */
    const path = (points) => "M" + points.map(([a, b]) => `${X(a).toFixed(1)},${Y(b).toFixed(1)}`).join("L");
    return {
      // The same panel with another scale along y, for what lies behind.
      behind: on,
      line: (points, { color, dash, width } = {}) =>
        svg(panel, "path", {
          class: "line", d: path(points), "stroke-dasharray": dash, "stroke-width": width, ...ink(color),
        }),
      area: (points, { color } = {}) =>
        svg(panel, "path", {
          class: "area", ...ink(color),
          d: `${path(points)}L${X(points[points.length - 1][0])},${Y(domainY[0])}L${X(points[0][0])},${Y(domainY[0])}Z`,
        }),
      bar: ([fromX, toX], [fromY, toY], { color } = {}) =>
        svg(panel, "rect", {
          class: "bar", x: X(fromX), width: Math.max(X(toX) - X(fromX) - 1, 0.5),
          y: Y(toY), height: Math.max(Y(fromY) - Y(toY), 0), ...ink(color),
        }),
      // An upright line from the axis, by default to the top.
      rule: (a, { color, to = domainY[1] } = {}) =>
        svg(panel, "path", { class: "rule", d: `M${X(a)},${Y(domainY[0])}V${Y(to)}`, ...ink(color) }),
      dot: ([a, b], { color, ...mark } = {}) => markAt(panel, X(a), Y(b), { ...mark, ...ink(color) }),
      text: ([a, b], text, { dx = 0, dy = 0, ...style } = {}) => write(text, X(a) + dx, Y(b) + dy, style),
      // Dots with a label each, moved apart where labels would overlap and kept above the axis.
      labels: (items) => {
        const sorted = items.map((item) => ({ ...item, py: Y(item.at[1]) })).sort((a, b) => a.py - b.py);
        /** @type {number[]} */
        const places = [];
        for (const { py } of sorted) places.push(Math.max(py - 12, (places.at(-1) ?? -Infinity) + 17));
        for (let i = places.length, floor = bottom - 5; i-- > 0; floor -= 17) places[i] = Math.min(places[i], floor);
        sorted.forEach(({ at: [a], text, color, py }, i) => {
          const side = X(a) > 0.7 * scene.width ? -1 : 1;
          svg(panel, "circle", { class: "dot", cx: X(a), cy: py, r: 4, ...ink(color) });
          write(text, X(a) + side * 14, places[i], { color, anchor: side > 0 ? "start" : "end" });
        });
      },
      // A point to drag. It moves the controls named by `along`, {x: name} or {y: name} or both; those keep their
      // native inputs, which are its keyboard.
      handle: ([a, b], along) => {
        const names = Object.values(along);
        const focused = names.some((name) => scene.focused === name);
        if (focused) svg(panel, "circle", { class: "ring", cx: X(a), cy: Y(b), r: 14 });
        svg(panel, "circle", { class: "handle", cx: X(a), cy: Y(b), r: 9, "data-handle": names.join(" ") });
        /** @param {number[]} domain @param {number} start @param {number} end @returns {Scale} */
        const invert = (domain, start, end) => (p) => domain[0] + ((p - start) / (end - start)) * (domain[1] - domain[0]);
        const inverse = { x: invert(x.domain, box.left, box.right), y: invert(domainY, box.bottom, box.top) };
        scene.handles.push({ at: [X(a), Y(b)], box, along, inverse });
      },
    };
  };
  return on(y.domain);
};

// Labels that would leave the drawing are pushed back in. All are measured before one is moved: one layout, not many.
/** @param {SVGSVGElement} canvas @param {number} width */
const keepInside = (canvas, width) => {
  const labels = [...canvas.querySelectorAll("text")], boxes = labels.map((label) => label.getBBox());
  boxes.forEach((box, i) => {
    const shift = Math.max(0, 2 - box.x) + Math.min(0, width - 2 - box.x - box.width);
    if (shift) labels[i].setAttribute("x", String(Number(labels[i].getAttribute("x")) + shift));
  });
};

// A look of the table of methods, its very pattern and marker, as a picture: a figure has one drawing, and no other.
/** @param {Key} look */
const sample = ({ color, dash, marker = "o", hollow }) => {
  const mark = hollow ? `fill="none" stroke="${color}" stroke-width=".5"` : `fill="${color}"`;
  const drawing =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 38 12">` +
    `<path d="M1 6H37" stroke="${color}" stroke-width="2.5" stroke-dasharray="${dash || "none"}"/>` +
    `<path d="${OUTLINES[marker] ?? ROUND}" transform="translate(19 6) scale(4)" ${mark}/></svg>`;
  return html("img", { class: "sample", alt: "", src: `data:image/svg+xml,${encodeURIComponent(drawing)}` });
};

/** @param {Key[]} items */
const key = (items) => items.map((item) => {
  const swatch = () => html("i", { class: item.dash ? "swatch dashed" : "swatch", style: `--color: ${item.color}` });
  return html("span", {}, item.marker ? sample(item) : swatch(), item.label);
});

// ---- the frame ----

/**
 * @param {Scene} scene
 * @param {Record<string, Declared & Built>} controls
 * @param {(name: string, value: unknown) => void} set
 * @param {AbortSignal} signal
 */
const drag = (scene, controls, set, signal) => {
  // The grasp of one pointer on one handle: which, from where, and whether it has begun to move it.
  /** @type {{ index: number, from: number[], moving: boolean } | null} */
  let grasp = null;
  /** @param {"pointerdown" | "pointermove" | "pointerup" | "pointercancel"} type @param {(event: PointerEvent) => void} act */
  const listen = (type, act) => scene.svg.addEventListener(type, act, { signal });
  /** @param {PointerEvent} event */
  const place = (event) => {
    const seen = scene.svg.getBoundingClientRect();
    const zoom = scene.width / seen.width;
    return [(event.clientX - seen.left) * zoom, (event.clientY - seen.top) * zoom];
  };
  /** @param {number} index @param {PointerEvent} event */
  const move = (index, event) => {
    const { along, inverse } = scene.handles[index];
    const [px, py] = place(event);
    for (const [axis, name] of Object.entries(along)) {
      const { low, high, step, digits } = controls[name];
      const steps = Math.round(((axis === "x" ? inverse.x(px) : inverse.y(py)) - low) / step);
      set(name, Number(clip(low + steps * step, low, high).toFixed(digits)));
    }
  };
  const release = () => {
    grasp = null;
    scene.svg.classList.remove("dragging");
  };
  listen("pointerdown", (event) => {
    const [px, py] = place(event);
    /** @param {Handle} handle */
    const inside = ({ box }) => px > box.left - 24 && px < box.right + 24 && py > box.top - 24 && py < box.bottom + 24;
    /** @param {Handle} handle */
    const far = ({ at }) => Math.hypot(at[0] - px, at[1] - py);
    const near = scene.handles.filter(inside).sort((a, b) => far(a) - far(b))[0];
    if (!near || event.button) return;
    grasp = { index: scene.handles.indexOf(near), from: [px, py], moving: event.pointerType !== "touch" };
    scene.svg.setPointerCapture(event.pointerId);
    scene.svg.classList.add("dragging");
    controls[Object.values(near.along)[0]].input?.focus({ preventScroll: true });
    if (grasp.moving) move(grasp.index, event);
    event.preventDefault();
  });
  listen("pointermove", (event) => {
    if (!grasp) return;
    const { index, from } = grasp;
    if (!grasp.moving) {
      // A finger that goes up or down is about to scroll the page: only a sideways one takes the point along.
      const [across, down] = place(event).map((p, i) => Math.abs(p - from[i]));
      grasp.moving = scene.handles[index].along.y ? across + down > 5 : across > 5 && across > down;
    }
    if (grasp.moving) move(index, event);
  });
  listen("pointerup", (event) => {
    if (grasp) move(grasp.index, event);
    release();
  });
  listen("pointercancel", release);
};

/** @param {(given: Given) => string} draw */
export const figure = (draw) => ({
  // What a figure draws can be asked without a page: tests hold it to what Python computes.
  draw,
  /** @param {{ model: Model, el: HTMLElement }} place @returns {() => void} */
  render({ model, el }) {
    /** @type {{ title: string, alt: string, hint: string, controls: Declared[], colors: Record<string, any> }} */
    const { title, alt, hint, controls: declared, colors } = model.get("_spec");
    const data = unpacked(model.get("_data"));
    const stop = new AbortController();
    /** @param {string} name @param {unknown} value */
    const set = (name, value) => {
      if (JSON.stringify(model.get(name)) === JSON.stringify(value)) return;
      model.set(name, value);
      model.save_changes();
    };
    /** @type {Record<string, Declared & Built>} */
    const controls = Object.fromEntries(declared.map((control) => [
      control.name, { ...control, ...builders[control.kind](control, (value) => set(control.name, value)) },
    ]));

    const canvas = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", alt);
    const inputs = html("div", { class: "controls" }, ...Object.values(controls).map(({ element }) => element));
    const settings = html("p", { class: "settings" });
    const legend = html("p", { class: "legend" });
    const extra = html("div");
    const readout = html("p", { class: "readout" });
    const spoken = html("p", { class: "spoken", role: "status", "aria-live": "polite" });
    const root = html("div", {
      class: "rulbook-figure", role: "group", "aria-label": title, style: `--accent: ${colors.accent}`,
    });
    root.append(html("p", { class: "title" }, title), inputs, settings, legend, canvas, extra, readout, spoken);
    if (hint) root.append(html("p", { class: "hint" }, html("b", {}, "Try: "), hint));
    // Arrow keys belong to the control that has the focus, not to JupyterLab.
    for (const input of inputs.querySelectorAll("input, select")) input.setAttribute("data-lm-suppress-shortcuts", "true");
    el.replaceChildren(root);

    /** @type {Scene} */
    const scene = { svg: canvas, width: 0, bottom: 0, handles: [] };
    let pause = 0;
    const redraw = () => {
      /** @type {Record<string, any>} */
      const state = Object.fromEntries(declared.map(({ name }) => [name, model.get(name)]));
      for (const [name, control] of Object.entries(controls)) control.show(state[name]);
      settings.textContent = declared.map(({ name, label }) => `${label}: ${controls[name].text(state[name])}`).join(" · ");
      Object.assign(scene, { width: clip(root.clientWidth || 640, 240, 760), bottom: 0, handles: [] });
      scene.focused = Object.keys(controls).find((name) => controls[name].input?.matches(":focus-visible"));
      canvas.replaceChildren();
      const said = draw({
        state, data, colors, width: scene.width, plot: (panel) => plot(scene, panel),
        legend: (items) => legend.replaceChildren(...key(items)),
        table: (head, rows) => extra.replaceChildren(html("table", {},
          html("thead", {}, html("tr", {}, ...head.map((cell) => html("th", { scope: "col" }, cell)))),
          html("tbody", {}, ...rows.map(([name, ...cells]) => html("tr", {},
            html("th", { scope: "row" }, ...(typeof name === "string" ? [name] : key([name]))), ...cells.map((cell) => html("td", {}, cell))))))),
      });
      keepInside(canvas, scene.width);
      canvas.setAttribute("viewBox", `0 0 ${scene.width} ${scene.bottom}`);
      canvas.setAttribute("width", String(scene.width));
      canvas.setAttribute("height", String(scene.bottom));
      const across = scene.handles.some(({ along }) => along.x), down = scene.handles.some(({ along }) => along.y);
      canvas.style.touchAction = down ? "none" : across ? "pan-y pinch-zoom" : "";
      if (readout.textContent === said) return;
      clearTimeout(pause);
      // The first read-out is read with the page; later ones are spoken once the reader pauses.
      if (readout.textContent) pause = window.setTimeout(() => (spoken.textContent = said), 500);
      readout.textContent = said;
    };

    drag(scene, controls, set, stop.signal);
    for (const { input } of Object.values(controls))
      for (const type of ["focus", "blur"]) input?.addEventListener(type, redraw, { signal: stop.signal });
    for (const { name } of declared) model.on(`change:${name}`, redraw);
    const sizes = new ResizeObserver(() => {
      if (clip(root.clientWidth || 640, 240, 760) !== scene.width) redraw();
    });
    redraw();
    sizes.observe(root);
    // Labels are as wide as their font, which may come after the first drawing.
    document.fonts.ready.then(() => stop.signal.aborted || redraw());
    return () => {
      clearTimeout(pause);
      stop.abort();
      sizes.disconnect();
      for (const { name } of declared) model.off(`change:${name}`, redraw);
      root.remove();
    };
  },
});
