// @ts-check
import { figure, fixed, percent } from "../figures/shared.js";

/** @param {number} late @param {number} early */
export const lateWeight = (late, early) => late / (late + early);
/** @param {[string, string, number, number][]} pieces @param {number} w */
export const winnerAt = (pieces, w) => (pieces.find(([, , , end]) => w <= end) ?? [])[0];

export default figure(({ state: { cost_late: late, cost_early: early, subset }, data, colors, plot }) => {
  const w = lateWeight(late, early);
  const { reported, measured } = Object.fromEntries(Object.entries(data.segments).map(([from, all]) => [from, all[subset]]));
  const regime = data.regimes.find(([, , , end]) => w < end) ?? data.regimes.at(-1);

  const panel = plot({
    x: { domain: [0, 1], label: "preference w = late ÷ (late + early)" },
    y: { domain: [0, 3.05], ticks: [] },
    height: 290, left: 16,
  });
  const row = (top, name, pieces) => {
    panel.text([0, top], name, { dy: -5, strong: true });
    for (const [label, color, start, end] of pieces) {
      panel.bar([start, end], [top - 0.55, top], { color });
      if (end - start > 0.14) panel.text([(start + end) / 2, top - 0.36], label, { anchor: "middle", strong: true });
    }
    if (!pieces.length) panel.text([0.5, top - 0.36], `no numbers for ${subset}`, { anchor: "middle" });
  };
  row(2.75, "Regime in the source", data.regimes.map(([name, , start, end], i) => [name, colors.others[i], start, end]));
  row(1.75, "Lowest J by the numbers of the source", reported);
  row(0.75, "Lowest J by our numbers", measured);
  panel.rule(w, { color: colors.accent, to: 3 });
  panel.dot([w, 0.02], { color: colors.accent, r: 6 });

  const first = winnerAt(reported, w), ours = winnerAt(measured, w);
  const theirs = first ? `By J, its own numbers for ${subset} choose ${first}` : `It prints no numbers for ${subset}`;
  const wins = ours && data.wins[subset];
  const share = wins && wins.values[Math.round(w * data.steps) * wins.shape[1] + data.order[subset].indexOf(ours)];
  const own = ours ? `ours choose ${ours}, in ${percent(share, 0)} of the resamples` : "we have measured none yet";
  return (
    `A cycle late at ${late} and a cycle early at ${early} thousand USD make w = ${fixed(w, 3)}: the ${regime[0]} regime, ` +
    `for which the source names ${regime[1]}. ${theirs}; ${own}. ` +
    `For such prices ${percent(1 - w)} of the predictions should be late.`
  );
});
