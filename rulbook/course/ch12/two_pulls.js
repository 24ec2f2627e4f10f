// @ts-check
import { figure, fixed, range } from "../figures/shared.js";

/** @param {number} angle @param {number} ratio @param {number} weight */
export const jointCosines = (angle, ratio, weight) => {
  const cosine = Math.cos((angle * Math.PI) / 180), first = weight * ratio, second = 1 - weight;
  const length = Math.sqrt(Math.max(first ** 2 + second ** 2 + 2 * first * second * cosine, 0));
  if (length < 1e-9 * Math.max(first, second)) return [NaN, NaN];
  return [(first + second * cosine) / length, (first * cosine + second) / length];
};

/** @param {number} ratio @param {number} weight */
export const tippingCosine = (ratio, weight) => -(1 - weight) / (weight * ratio);

export default figure(({ state: { angle, decades, weight }, colors, width, plot }) => {
  const { cos, sin, log10 } = Math, turn = (angle * Math.PI) / 180, ratio = 10 ** decades;
  const [rulColor, healthColor] = colors.others;
  const first = [weight * ratio, 0], second = [(1 - weight) * cos(turn), (1 - weight) * sin(turn)];
  const joint = [first[0] + second[0], second[1]];
  const longest = Math.max(first[0], 1 - weight, Math.hypot(...joint));
  // One unit has as many pixels across as upwards.
  const inner = width - 62, unit = Math.min(190, inner / 2.3), half = inner / 2 / unit;
  const arrows = plot({ x: { domain: [-half, half], ticks: [] }, y: { domain: [-0.15, 1.1], ticks: [] }, height: 1.25 * unit + 36 });
  const arrow = (end, color, width) => {
    const [x, y] = end.map((part) => part / longest), size = Math.hypot(x, y);
    arrows.line([[0, 0], [x, y]], { color, width });
    if (size < 0.04) return;
    for (const side of [-0.45, 0.45]) {
      const back = Math.atan2(y, x) + Math.PI + side;
      arrows.line([[x, y], [x + 0.07 * cos(back), y + 0.07 * sin(back)]], { color, width });
    }
  };
  arrow(joint, colors.accent, 5);
  arrow(first, rulColor, 2.5);
  arrow(second, healthColor, 2.5);
  arrows.dot([0, 0], { color: colors.baseline });
  const tip = (end, text, color, dy) => {
    const [x, y] = end.map((part) => part / longest), left = x < -0.2;
    if (Math.hypot(x, y) < 0.03) arrows.text([0, 0], `${text}: too short to see`, { color, dx: -12, dy: -12, anchor: "end" });
    else arrows.text([x, y], text, { color, dx: left ? -8 : 8, dy, anchor: left ? "end" : "start" });
  };
  tip(first, "RUL", rulColor, 18);
  tip(second, "health", healthColor, -6);
  if (Math.hypot(...joint) > 0.1 * longest) arrows.text(joint.map((part) => part / longest), "sum", { dx: 8, dy: joint[1] < 0.2 * longest ? -10 : 5, strong: true });

  const pull = (weight * ratio) / (1 - weight), at = log10(pull);
  const panel = plot({
    x: { domain: [-3, 5], ticks: range(5, -3, 2), format: (d) => (d < 0 ? `1/${10 ** -d}` : (10 ** d).toLocaleString("en-US")), label: "pull of RUL ÷ pull of health" },
    y: { domain: [-1.05, 1.35], ticks: [-1, -0.5, 0, 0.5, 1], format: (v) => String(v).replace("-", "−"), label: "cosine of the sum with each task" },
    height: 280,
  });
  const curve = range(161, -3, 0.05).map((d) => [d, ...jointCosines(angle, 10 ** d, 0.5)]).filter(([, a]) => !Number.isNaN(a));
  panel.line([[-3, 0], [5, 0]], { color: colors.baseline, width: 1 });
  panel.line(curve.map(([d, a]) => [d, a]), { color: rulColor });
  panel.line(curve.map(([d, , b]) => [d, b]), { color: healthColor });
  panel.rule(at, { color: colors.accent });
  const [a, b] = jointCosines(angle, ratio, weight);
  if (Number.isNaN(a)) return `At ${fixed(angle, 0)}° and equal pulls the two gradients cancel: the sum is zero, and nobody moves.`;
  panel.labels([
    { at: [at, a], text: `RUL ${fixed(a)}`, color: rulColor },
    { at: [at, b], text: `health ${fixed(b)}`, color: healthColor },
  ]);
  const fate = (cosine) => (cosine < 0 ? "gets worse" : "improves"), tipping = tippingCosine(ratio, weight);
  const edge = tipping < -1 ? "No angle" : `Any cosine below ${fixed(tipping, 4)}`;
  return (
    `The weighted RUL gradient is ${pull >= 100 ? fixed(pull, 0) : fixed(pull)} times as long as the other, at a cosine of ${fixed(cos(turn), 3)}. ` +
    `A short step along the sum: the RUL task ${fate(a)} (${fixed(a, 3)} of the best possible), the health task ${fate(b)} (${fixed(b, 3)}). ` +
    `${edge} between the gradients would make health worse.`
  );
});
