// @ts-check
import { figure, fixed, range, short } from "../figures/shared.js";

/**
 * @param {number} unit
 * @param {number} rmse
 * @param {number} p
 * @param {number} parameters
 * @param {{ batch: number, rulSlope: number, healthSlope: number }} scales
 */
export const norms = (unit, rmse, p, parameters, { batch, rulSlope, healthSlope }) => {
  const share = Math.sqrt(parameters / batch);
  return [share * ((2 * rmse) / unit) * (rulSlope / unit), share * Math.sqrt(1.5) * (1 - p) * healthSlope];
};

/** @param {number} rmse @param {number} p @param {{ batch: number, rulSlope: number, healthSlope: number }} scales */
export const evenUnit = (rmse, p, scales) => {
  const [rul, health] = norms(1, rmse, p, 1, scales);
  return Math.sqrt(rul / health);
};

export default figure(({ state: { unit, rmse, p_true, size }, data, colors, plot }) => {
  const { log10 } = Math, [rulColor, healthColor] = colors.others;
  const [rul, health] = norms(unit, rmse, p_true, 10 ** size, data), ratio = rul / health;
  const decades = (value) => (Math.abs(value) < 3 ? String(10 ** value) : `10${[...String(value)].map((c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]).join("")}`);
  const bars = plot({
    x: { domain: [-6, 6.2], ticks: range(7, -6, 2), format: decades, label: "gradient norm on the shared parameters" },
    y: { domain: [0, 2], ticks: [] },
    height: 150,
  });
  [["RUL", rul, rulColor, 1.1], ["health", health, healthColor, 0.15]].forEach(([name, norm, color, y]) => {
    bars.bar([-6, log10(norm)], [y, y + 0.7], { color });
    bars.text([log10(norm), y + 0.35], `${name} ${short(norm)}`, { dx: 8, dy: 5, strong: true });
  });

  const at = (u) => {
    const [first, second] = norms(u, rmse, p_true, 1, data);
    return [log10(u), log10(first / second)];
  };
  const top = Math.ceil(at(1)[1] + 0.05), bottom = Math.floor(at(125)[1] - 0.05), even = evenUnit(rmse, p_true, data);
  const panel = plot({
    x: { domain: [0, log10(125)], ticks: [1, 2, 5, 10, 20, 50, 125].map(log10), format: (d) => fixed(10 ** d, 0), label: "cycles in one unit of RUL" },
    y: { domain: [bottom, top], ticks: range(top - bottom + 1, bottom), format: decades, label: "norm RUL ÷ norm health" },
    height: 270,
  });
  panel.line([[0, 0], [log10(125), 0]], { color: colors.baseline, width: 1 });
  panel.line([at(1), at(125)], { color: colors.accent });
  if (even >= 1 && even <= 125) {
    panel.dot([log10(even), 0], { color: colors.baseline, r: 5 });
    panel.text([log10(even), 0], `equal at ${fixed(even, 1)} cycles`, { dx: -6, dy: 22, anchor: "end" });
  }
  panel.dot(at(unit), { color: colors.accent, r: 7 });
  panel.text(at(unit), `ratio ${short(ratio)}`, { dx: unit > 40 ? -4 : 12, dy: unit > 40 ? -14 : -6, anchor: unit > 40 ? "end" : "start", strong: true });

  const louder = ratio >= 1 ? `The RUL task is ${short(ratio)} times as loud as the health task` : `The health task is ${short(1 / ratio)} times as loud as the RUL task`;
  return (
    `RUL in units of ${unit} ${unit === 1 ? "cycle" : "cycles"}, an RMSE of ${rmse} cycles, the true class at ${fixed(p_true)}: ` +
    `norms ${short(rul)} and ${short(health)}. ${louder}. They would be equally loud in units of ${fixed(even, 1)} cycles.`
  );
});
