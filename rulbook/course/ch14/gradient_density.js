// @ts-check
import { clip, figure, fixed, percent, range, sum } from "../figures/shared.js";

/** @param {number} rul @param {number} wMax @param {number} maxRul */
export const weight = (rul, wMax, maxRul) => 1 + (wMax - 1) * clip(1 - rul / maxRul, 0, 1);

// counts[y] samples have RUL y, the last one is at the cap.
/** @param {number[] | Float32Array} counts @param {number} near @param {number} wMax */
export const nearShare = (counts, near, wMax) => {
  const pull = Array.from(counts, (count, rul) => count * weight(rul, wMax, counts.length - 1));
  return sum(pull.slice(0, near + 1)) / sum(pull);
};

export default figure(({ state: { w_max, rul, subset, samples }, data: { counts, near, residual }, colors, plot }) => {
  const { values } = counts[subset][samples];
  const cap = values.length - 1, total = sum(values), plain = 2 * residual;
  const pull = (y) => plain * weight(y, w_max, cap);

  const panel = plot({
    x: { domain: [0, 135], label: "true RUL (cycles)", ticks: [0, 25, 50, 75, 100, 125] },
    y: { domain: [0, 100], label: "B × gradient of one sample, 10 cycles late (cycles)" },
    height: 330,
  });
  const behind = panel.behind([0, 0.55]);
  const share = (from, to) => sum(values.slice(from, to)) / total;
  for (const y of range(cap / 5 + 1, 0, 5)) behind.bar([y, y + 5], [0, share(y, y + 5)]);
  panel.line([[0, plain], [135, plain]], { color: colors.baseline });
  panel.text([60, plain], "plain MSE", { dy: 17, color: colors.baseline });
  const bars = `${percent(share(cap), 0)} at the cap, ${percent(share(0, 5))} in the first bar`;
  behind.text([cap, share(0, 5)], bars, { dx: -6, dy: -6, anchor: "end" });
  panel.line([[0, pull(0)], [cap, plain], [135, plain]], { color: colors.amnl });
  panel.text([30, pull(30)], `weighted, w_max = ${fixed(w_max, 1)}`, { dx: 8, dy: -8, color: colors.amnl });
  panel.rule(rul, { color: colors.accent });
  panel.handle([rul, pull(rul)], { x: "rul" });

  const shares = [nearShare(values, near, 1), nearShare(values, near, w_max)];
  const strip = plot({
    x: { domain: [0, 1], ticks: [0, 0.25, 0.5, 0.75, 1], format: (v) => percent(v, 0), label: "share of the whole pull" },
    y: { domain: [0, 2], ticks: [] },
    height: 128,
  });
  ["plain MSE", "weighted"].forEach((name, i) => {
    const color = [colors.baseline, colors.amnl][i], low = 1.15 - i;
    strip.bar([0, shares[i]], [low, low + 0.7], { color });
    strip.bar([shares[i], 1], [low, low + 0.7]);
    strip.text([shares[i], low + 0.35], `${name}: ${percent(shares[i])} from RUL ≤ ${near}`, { dx: 8, dy: 5, halo: false, strong: true });
  });

  const w = weight(rul, w_max, cap);
  return (
    `At RUL ${rul} the weighted loss pulls ${fixed(w)}× as hard as plain MSE: ` +
    `${fixed(plain * w, 1)} cycles instead of ${fixed(plain, 1)}, divided by the batch size B. ` +
    `In ${subset}, samples with RUL ≤ ${near} bring ${percent(shares[1])} of the whole pull; under plain MSE it is ${percent(shares[0])}.`
  );
});
