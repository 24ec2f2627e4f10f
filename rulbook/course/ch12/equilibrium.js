// @ts-check
import { clip, figure, fixed, range } from "../figures/shared.js";

/** @param {number} ratio */
export const equilibrium = (ratio) => (ratio - 1) / (ratio + 1);

/** @param {number} ratio @param {string} optimizer @param {number} rate @param {number} steps */
export const toyPath = (ratio, optimizer, rate, steps) => {
  let theta = 0, first = 0, second = 0;
  const path = [0];
  for (let step = 1; step <= steps && Math.abs(theta) <= 10; step++) {
    const slope = ratio * (theta - 1) + (theta + 1);
    if (optimizer === "SGD") theta -= rate * slope;
    else {
      first = 0.9 * first + 0.1 * slope;
      second = 0.999 * second + 0.001 * slope ** 2;
      theta -= (rate * (first / (1 - 0.9 ** step))) / (Math.sqrt(second / (1 - 0.999 ** step)) + 1e-8);
    }
    path.push(theta);
  }
  return path;
};

export default figure(({ state: { decades, optimizer, rate }, data: { steps }, colors, plot, legend }) => {
  const ratio = 10 ** decades, eta = 10 ** rate, rest = equilibrium(ratio), path = toyPath(ratio, optimizer, eta, steps);
  const [rulColor, healthColor] = colors.others, end = path[path.length - 1], ranAway = Math.abs(end) > 10;
  legend([
    { label: optimizer, color: colors.accent },
    { label: "where the sum is least", color: colors.baseline, dash: true },
  ]);
  const panel = plot({
    x: { domain: [0, steps], label: "step" },
    y: { domain: [-1.25, 1.75], ticks: [-1, -0.5, 0, 0.5, 1, 1.5], format: (v) => String(v).replace("-", "−"), label: "shared parameter θ" },
    height: 290,
  });
  panel.line([[0, rest], [steps, rest]], { color: colors.baseline, dash: "6 4", width: 2 });
  panel.line(path.map((theta, step) => [step, clip(theta, -1.25, 1.75)]), { color: colors.accent });
  panel.text([steps, 1], "goal of RUL", { dx: -4, dy: -8, anchor: "end", color: rulColor });
  panel.text([steps, -1], "goal of health", { dx: -4, dy: 5, anchor: "end", color: healthColor });

  const errors = (r) => [(1 - equilibrium(r)) ** 2 / 2, (1 + equilibrium(r)) ** 2 / 2];
  const grid = range(67, 0, 0.05), [rul, health] = errors(ratio);
  const lower = plot({
    x: { domain: [0, 3.3], ticks: [1, 10, 100, 500, 2000].map(Math.log10), format: (d) => fixed(10 ** d, 0), label: "stiffness ratio κ" },
    y: { domain: [0, 2.2], ticks: [0, 0.5, 1, 1.5, 2], label: "error of each task where the sum is least" },
    height: 230,
  });
  lower.line(grid.map((d) => [d, errors(10 ** d)[0]]), { color: rulColor });
  lower.line(grid.map((d) => [d, errors(10 ** d)[1]]), { color: healthColor });
  lower.rule(decades, { color: colors.accent });
  lower.labels([
    { at: [decades, rul], text: `RUL ${fixed(rul, 3)}`, color: rulColor },
    { at: [decades, health], text: `health ${fixed(health, 3)}`, color: healthColor },
  ]);
  const met = path.findIndex((_, step) => path.slice(step).every((theta) => Math.abs(theta - rest) < 0.01));
  const how = ranAway ? `runs away: it needs a learning rate below ${fixed(2 / (ratio + 1), 4)}`
    : met < 0 ? `stands at ${fixed(end, 3)} after ${steps} steps, still on its way` : `is there to within 0.01 from step ${met} on`;
  return (
    `At a stiffness ratio of ${fixed(ratio, ratio < 10 ? 1 : 0)} the sum is least at θ = ${fixed(rest, 3)}, which leaves RUL an error of ${fixed(rul, 3)} ` +
    `and health one of ${fixed(health, 3)}. ${optimizer} with a learning rate of ${fixed(eta, 4)} ${how}.`
  );
});
