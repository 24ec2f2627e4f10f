// @ts-check
import { figure, fixed, range } from "../figures/shared.js";

/** @param {number} step @param {number} ratio @param {number} beta */
export const smoothedWeight = (step, ratio, beta) => {
  const target = 1 / (1 + ratio);
  return target + beta ** step * (0.5 - target);
};

/** @param {number} weight @param {number} floor @param {string} form */
export const flooredWeight = (weight, floor, form) => {
  if (form === "affine") return floor + (1 - 2 * floor) * weight;
  const clipped = Math.max(weight, floor), other = Math.max(1 - weight, floor);
  return clipped / (clipped + other);
};

/** @param {number} ratio @param {number} floor @param {number} beta */
export const stepsUntilFloor = (ratio, floor, beta) => {
  const target = 1 / (1 + ratio);
  if (target >= floor) return null;
  return Math.floor(Math.log((0.5 - target) / (floor - target)) / Math.log(1 / beta)) + 1;
};

export default figure(({ state: { ratio, floor, beta, form }, data: { steps }, colors, plot, legend }) => {
  const { log10 } = Math, grid = range(steps / 5 + 1, 0, 5);
  const met = form === "clip" ? stepsUntilFloor(ratio, floor, beta) : null;
  // The corner lies between two points of the grid.
  const at = met === null || met > steps ? grid : [...grid, met].sort((a, b) => a - b);
  const free = (step) => smoothedWeight(step, ratio, beta);
  const kept = (step) => flooredWeight(free(step), floor, form);
  const pulls = (weight) => (ratio * weight) / (1 - weight);

  legend([
    { label: "no floor", color: colors.others[1], dash: true },
    { label: `floor ${fixed(floor, 3)}, ${form}`, color: colors.gaba },
  ]);
  const x = { domain: [0, steps], label: "steps after the warm-up" };
  const weights = plot({
    x,
    y: {
      domain: [-3.05, -0.2], ticks: [0.001, 0.01, 0.1, 0.5].map(log10), format: (decades) => String(+(10 ** decades).toFixed(3)),
      label: "weight of the RUL task",
    },
    height: 270,
  });
  weights.line(grid.map((step) => [step, log10(free(step))]), { color: colors.others[1], dash: "6 4", width: 2 });
  weights.line(at.map((step) => [step, log10(kept(step))]), { color: colors.gaba });
  if (met !== null && met <= steps) weights.rule(met, { color: colors.accent });

  const ratios = plot({
    x,
    y: {
      domain: [-0.1, 3.1], ticks: [1, 10, 100, 1000].map(log10), format: (decades) => fixed(10 ** decades, 0),
      label: "pull of RUL ÷ pull of health",
    },
    height: 230,
  });
  ratios.line([[0, 0], [steps, 0]], { color: colors.accent, width: 1 });
  ratios.line(grid.map((step) => [step, log10(pulls(free(step)))]), { color: colors.others[1], dash: "6 4", width: 2 });
  ratios.line(at.map((step) => [step, log10(pulls(kept(step)))]), { color: colors.gaba });

  const target = 1 / (1 + ratio), last = flooredWeight(target, floor, form);
  const meeting = met === null ? "" : ` It falls below the floor after ${met} steps.`;
  return (
    `At a ratio of ${ratio} the smoothed weight of the RUL task heads for ${fixed(target, 4)}; ` +
    `half of the way takes ${fixed(Math.log(2) / Math.log(1 / beta), 1)} steps.${meeting} ` +
    `In the end the RUL task weighs ${fixed(last, 4)} and pulls ${fixed(pulls(last), 1)} times as hard as the health task.`
  );
});
