// @ts-check
import { figure, fixed, percent, range } from "../figures/shared.js";

// Press et al., Numerical Recipes, erfcc: off by less than 1.2e-7 of the value, in the tails too.
/** @param {number} x */
export const erfc = (x) => {
  const z = Math.abs(x), t = 1 / (1 + 0.5 * z);
  const sum = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368]
    .reduce((inner, coefficient) => coefficient + t * inner, 0);
  const tail = t * Math.exp(-z * z - 1.26551223 + t * sum);
  return x >= 0 ? tail : 2 - tail;
};
/** @param {number} z */
export const below = (z) => erfc(-z / Math.SQRT2) / 2;

/** @param {number} bias @param {number} sigma */
const parts = (bias, sigma) => [
  Math.exp(bias / 10 + sigma ** 2 / 200) * below(bias / sigma + sigma / 10),
  Math.exp(-bias / 13 + sigma ** 2 / 338) * below(sigma / 13 - bias / sigma),
];

/** @param {number} bias @param {number} sigma */
export const expectedScore = (bias, sigma) => {
  const [late, early] = parts(bias, sigma);
  return late + early - 1;
};

/** @param {number} sigma */
export const bestBias = (sigma) => {
  let low = -(sigma + sigma ** 2), high = 0;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2, [late, early] = parts(middle, sigma);
    if (late / 10 < early / 13) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};

/** @param {number} d */
export const score = (d) => (d < 0 ? Math.exp(-d / 13) : Math.exp(d / 10)) - 1;

export default figure(({ state: { bias, sigma }, colors, plot, legend }) => {
  const best = bestBias(sigma), least = expectedScore(best, sigma), here = expectedScore(bias, sigma);
  const rmse = Math.sqrt(bias ** 2 + sigma ** 2);

  legend([
    { label: "RMSE, and how often an error occurs", color: colors.baseline },
    { label: "mean NASA score, and which errors bring it", color: colors.accent },
  ]);
  const errors = range(241, -60, 0.5);
  const density = errors.map((d) => [d, Math.exp(-(((d - bias) / sigma) ** 2) / 2) / (sigma * Math.sqrt(2 * Math.PI))]);
  const brought = density.map(([d, share]) => [d, share * score(d)]);
  const top = (points) => 1.15 * Math.max(...points.map(([, y]) => y));
  const bell = plot({
    x: { domain: [-60, 60], label: "error d (cycles; left is early, right is late)" },
    y: { domain: [0, top(density)], label: "each curve on a scale of its own", ticks: [] },
    height: 250,
  });
  bell.rule(0);
  bell.area(density, { color: colors.baseline });
  bell.line(density, { color: colors.baseline, width: 1.5 });
  bell.behind([0, top(brought)]).line(brought, { color: colors.accent });

  const low = 0.94, high = 2;
  const curve = plot({
    x: { domain: [-20, 20], label: "bias (cycles)" },
    y: { domain: [low, high], label: "times its own minimum", ticks: [1, 1.5, 2] },
    height: 260,
  });
  const shown = (value) => range(161, -20, 0.25).map((b) => [b, value(b)]).filter(([, y]) => y <= high);
  curve.line(shown((b) => Math.sqrt(b ** 2 + sigma ** 2) / sigma), { color: colors.baseline });
  curve.line(shown((b) => expectedScore(b, sigma) / least), { color: colors.accent });
  if (best > -20) curve.rule(best, { color: colors.accent, to: 1 });
  curve.dot([bias, Math.min(rmse / sigma, high)], { color: colors.baseline, r: 5 });
  curve.handle([bias, Math.min(here / least, high)], { x: "bias" });

  return (
    `With bias ${fixed(bias, 1)} and noise ${fixed(sigma, 1)} cycles the RMSE is ${fixed(rmse, 1)} and an engine scores ` +
    `${fixed(here)} on average; ${percent(below(bias / sigma), 0)} of the predictions are late. The score is lowest, ` +
    `${fixed(least)}, at a bias of ${fixed(best, 1)} cycles, where the RMSE is ${fixed(Math.sqrt(best ** 2 + sigma ** 2), 1)}.`
  );
});
