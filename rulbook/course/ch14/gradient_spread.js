// @ts-check
import { figure, fixed, percent, range, sum } from "../figures/shared.js";

// Share of the samples at each RUL from 0 to the cap.
/** @param {number[] | Float32Array} counts */
const shares = (counts) => {
  const total = sum(counts);
  return Array.from(counts, (count) => count / total);
};
/** @param {number} rul @param {number} cap @param {number} wMax */
const weight = (rul, cap, wMax) => 1 + (wMax - 1) * (1 - rul / cap);

/** @param {number[] | Float32Array} counts @param {number} wMax */
export const meanSquareWeight = (counts, wMax) =>
  sum(shares(counts).map((share, rul) => share * weight(rul, counts.length - 1, wMax) ** 2));

// Abramowitz and Stegun 7.1.26: off by less than 2e-7.
/** @param {number} x */
export const erf = (x) => {
  const t = 1 / (1 + 0.3275911 * x);
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return 1 - poly * Math.exp(-x * x);
};

// Share of the samples whose gradient, times B, is below g: a mixture of half-normals, one for each RUL.
/** @param {number[] | Float32Array} counts @param {number} wMax @param {number} sigma */
const distribution = (counts, wMax, sigma) => {
  const parts = shares(counts);
  const scale = parts.map((_, rul) => Math.SQRT2 * 2 * sigma * weight(rul, counts.length - 1, wMax));
  return (g) => parts.reduce((total, share, rul) => total + share * erf(g / scale[rul]), 0);
};

/** @param {number[] | Float32Array} counts @param {number} q @param {number} wMax @param {number} sigma */
export const quantile = (counts, q, wMax, sigma) => {
  const below = distribution(counts, wMax, sigma);
  let low = 0, high = 16 * sigma * wMax;
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    if (below(middle) < q) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};

// Shares in bins of a twentieth of a decade, from 1 cycle up: [left edge in decades, share].
const STEP = 0.05;
/** @param {number[] | Float32Array} counts @param {number} wMax @param {number} sigma */
const histogram = (counts, wMax, sigma) => {
  const edges = range(58, 0, STEP), below = edges.map((edge) => 10 ** edge).map(distribution(counts, wMax, sigma));
  return edges.slice(0, -1).map((edge, i) => [edge, below[i + 1] - below[i]]);
};

export default figure(({ state: { w_max, subset }, data, colors, plot, legend }) => {
  const counts = data.counts[subset].values, { sigma } = data;
  const [median, tail] = [0.5, 0.99].map((q) => quantile(counts, q, w_max, sigma));
  legend([
    { label: "plain MSE", color: colors.baseline, dash: true },
    { label: `weighted, w_max = ${fixed(w_max, 1)}`, color: colors.amnl },
  ]);
  const { log10 } = Math, top = 0.066;
  const panel = plot({
    x: {
      domain: [0, 2.85], ticks: [1, 3, 10, 30, 100, 300].map(log10), format: (decades) => fixed(10 ** decades, 0),
      label: "B × |gradient| of one sample (cycles)",
    },
    y: { domain: [0, top], ticks: [0, 0.02, 0.04, 0.06], format: (share) => percent(share, 0), label: "share of samples" },
    height: 300,
  });
  for (const [edge, share] of histogram(counts, w_max, sigma)) panel.bar([edge, edge + STEP], [0, share], { color: colors.amnl });
  const plain = histogram(counts, 1, sigma).map(([edge, share]) => [edge + STEP / 2, share]);
  panel.line(plain, { color: colors.baseline, dash: "6 4", width: 2 });
  for (const mark of [median, tail]) panel.rule(log10(mark), { color: colors.accent, to: 0.061 });
  panel.line([[log10(median), 0.061], [log10(tail), 0.061]], { color: colors.accent });
  panel.text([log10(median * tail) / 2, 0.061], `${fixed(tail / median, 1)}×`, { dy: -7, anchor: "middle", strong: true });
  panel.text([log10(median), 0.061], `half below ${fixed(median, 0)}`, { dx: -7, dy: 5, anchor: "end", color: colors.accent });
  const side = tail > 130 ? { dx: -7, anchor: "end" } : { dx: 7 };
  panel.text([log10(tail), 0.052], `99 % below ${fixed(tail, 0)}`, { ...side, dy: 5, color: colors.accent });

  const real = (w) => meanSquareWeight(counts, w), uniform = (w) => (1 + w + w * w) / 3;
  const grid = range(19, 1, 0.5);
  const lower = plot({
    x: { domain: [1, 10], label: "weight at failure, w_max", ticks: range(10, 1) },
    y: { domain: [0, 40], label: "E[w²]: variance of the gradient, plain MSE = 1" },
    height: 250,
  });
  lower.line(grid.map((w) => [w, uniform(w)]), { color: colors.baseline, dash: "6 4", width: 2 });
  lower.line(grid.map((w) => [w, real(w)]), { color: colors.amnl });
  lower.text([7.5, uniform(7.5)], "if every RUL were equally common", { dx: -8, dy: -6, anchor: "end", color: colors.baseline });
  lower.text([10, real(6)], `real windows of ${subset}`, { dy: 14, anchor: "end", color: colors.amnl });
  lower.handle([w_max, real(w_max)], { x: "w_max" });

  return (
    `Residuals spread by ${sigma} cycles, w_max = ${fixed(w_max, 1)}: half of all gradients stay below ${fixed(median, 1)} ÷ B ` +
    `cycles, 99 % below ${fixed(tail, 1)} ÷ B, which is ${fixed(tail / median)}× the median. ` +
    `The variance of the gradient is E[w²] = ${fixed(real(w_max))} times that of plain MSE; ` +
    `if every RUL were equally common it would be ${fixed(uniform(w_max))} times.`
  );
});
