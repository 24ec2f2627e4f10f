// @ts-check
import { figure, fixed, range, sum } from "../figures/shared.js";

/** @param {string} output @param {number} a */
export const answerAndSlope = (output, a) => {
  if (output === "ReLU") return [Math.max(a, 0), a > 0 ? 1 : 0];
  if (output === "softplus") {
    const small = Math.exp(-Math.abs(a));
    return [Math.max(a, 0) + Math.log1p(small), (a > 0 ? 1 : small) / (1 + small)];
  }
  return [a, 1];
};

/** @param {string} output @param {number} start @param {number} step @param {number[]} targets */
export const outputPath = (output, start, step, targets) => {
  let a = start;
  const path = [];
  for (const mean of targets) {
    const [answer, slope] = answerAndSlope(output, a);
    path.push(answer);
    a -= step * (answer - mean) * slope;
  }
  return [...path, answerAndSlope(output, a)[0]];
};

export default figure(({ state: { output, start, step }, data: { targets }, colors, plot, legend }) => {
  const path = outputPath(output, start, step, targets), free = outputPath("nothing", start, step, targets);
  // From which batch on the answer is exactly 0, to the end.
  const died = path.length - [...path].reverse().findIndex((answer) => answer !== 0);
  const dead = path.at(-1) === 0;
  legend([
    { label: "mean label of the batch", color: colors.others[0] },
    { label: "nothing behind the output", color: colors.others[1], dash: true },
    { label: `${output} behind it`, color: colors.accent },
  ]);
  const panel = plot({
    x: { domain: [0, targets.length], label: "batch, four engines one after the other", ticks: range(5, 0, 6) },
    y: { domain: [-150, 370], label: "answer (cycles)", ticks: range(5, -100, 100) },
    height: 330,
  });
  panel.line([[0, 0], [targets.length, 0]], { color: colors.baseline, width: 1 });
  targets.forEach((mean, i) => panel.dot([i, mean], { color: colors.others[0], r: 4 }));
  panel.line(free.map((answer, i) => [i, answer]), { color: colors.others[1], dash: "6 4", width: 2 });
  panel.line(path.map((answer, i) => [i, answer]), { color: colors.accent });
  if (dead) panel.rule(died === path.length + 1 ? 0 : died, { color: colors.accent });

  const error = Math.sqrt(sum(targets.map((mean, i) => (path[i] - mean) ** 2)) / targets.length);
  const end = fixed(path[path.length - 1], 1);
  const life = dead
    ? `It has been exactly 0 since batch ${died === path.length + 1 ? 0 : died}, and no batch can change that.`
    : `It ends at ${end} cycles.`;
  return (
    `Start ${fixed(start, 0)}, step ${fixed(step, 1)}, ${output} behind the output: over the ${targets.length} batches ` +
    `the answer misses the mean label by ${fixed(error, 1)} cycles (root mean square). ${life}`
  );
});
