// @ts-check
import { figure, fixed } from "../figures/shared.js";

export default figure(({ state, data, colors, plot, table }) => {
  const { shapes, w_max, rul } = state;
  const [first] = Object.values(data.shapes), cap = first.weights.shape[1] - 1, row = data.ceilings.indexOf(w_max);
  const chosen = shapes.map((name) => {
    const { weights, ...shape } = data.shapes[name];
    const [, length] = weights.shape;
    return { name, ...shape, weights: weights.values.subarray(row * length, (row + 1) * length) };
  });

  const panel = plot({
    x: { domain: [0, 140], label: "true RUL (cycles)", ticks: [0, 1, 2, 3, 4, 5].map((n) => (n * cap) / 5) },
    y: { domain: [1 - 0.06 * (w_max - 1), w_max + 0.06 * (w_max - 1)], label: "weight of a sample" },
    height: 340,
  });
  panel.rule(rul, { color: colors.accent });
  for (const { weights, color, name } of chosen)
    panel.line([...Array.from(weights, (w, y) => [y, w]), [140, weights[cap]]], { color, width: name === "linear" ? 3.5 : 2.5 });
  panel.labels(chosen.map(({ name, weights, color }) => ({ at: [rul, weights[rul]], text: `${name} ${fixed(weights[rul])}`, color })));
  panel.handle([rul, chosen.length ? chosen[0].weights[rul] : 1], { x: "rul" });

  const verdict = ({ broken }) => broken.join(", ") || `none of the ${data.constraints}`;
  table(
    ["Shape", `Weight at RUL ${rul}`, "Wishes it breaks"],
    chosen.map((shape) => [{ label: shape.name, color: shape.color }, fixed(shape.weights[rul], 3), verdict(shape)]),
  );
  if (!chosen.length) return "No shape is ticked.";
  const weighed = chosen.map(({ name, weights }) => `${name} ${fixed(weights[rul], 3)}`).join(", ");
  return `With w_max = ${fixed(w_max, 1)}, a sample at RUL ${rul} weighs: ${weighed}.`;
});
