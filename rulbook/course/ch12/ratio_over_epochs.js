// @ts-check
import { figure, range, short } from "../figures/shared.js";

export default figure(({ state: { place, unit, epoch }, data, colors, plot, legend }) => {
  const { log10 } = Math, rows = data.quantiles[unit][place], count = rows.length, values = rows.flat();
  const low = Math.floor(log10(Math.min(...values))), high = Math.ceil(log10(Math.max(...values)));
  legend([
    { label: "median", color: colors.accent },
    { label: "middle half of the steps", color: colors.others[2] },
    { label: "smallest and largest", color: colors.baseline, dash: true },
  ]);
  const decades = (d) => (d < -3 ? `10⁻${"⁰¹²³⁴⁵⁶⁷⁸⁹"[-d]}` : (10 ** d).toLocaleString("en-US", { maximumFractionDigits: 4 }));
  const panel = plot({
    x: { domain: [-0.6, count - 0.4], label: "epoch (0: not trained)" },
    y: { domain: [low, high], ticks: range(high - low + 1, low), format: decades, label: "norm RUL ÷ norm health, one value for each step" },
    height: 340,
  });
  if (low < 0 && high > 0) panel.line([[-0.6, 0], [count - 0.4, 0]], { color: colors.baseline, width: 1 });
  rows.forEach(([min, p5, q1, , q3, p95, max], e) => {
    panel.bar([e - 0.28, e + 0.3], [log10(q1), log10(q3)], { color: colors.others[2] });
    panel.bar([e - 0.05, e + 0.07], [log10(p5), log10(p95)], { color: colors.others[2] });
    for (const edge of [min, max]) panel.line([[e - 0.16, log10(edge)], [e + 0.16, log10(edge)]], { color: colors.baseline, width: 2 });
  });
  panel.line(rows.map((quantiles, e) => [e, log10(quantiles[0])]), { color: colors.baseline, dash: "3 4", width: 1 });
  panel.line(rows.map((quantiles, e) => [e, log10(quantiles[6])]), { color: colors.baseline, dash: "3 4", width: 1 });
  panel.line(rows.map((quantiles, e) => [e, log10(quantiles[3])]), { color: colors.accent });
  const [min, , q1, median, q3, , max] = rows[epoch];
  panel.rule(epoch, { color: colors.accent });
  panel.dot([epoch, log10(median)], { color: colors.accent, r: 7 });

  const when = epoch === 0 ? "The untrained network" : `Epoch ${epoch}`;
  return (
    `${when}, RUL in ${unit}, norms on ${place.startsWith("all") ? place : `the ${place}`}: ` +
    `median ratio ${short(median)}, half of the steps between ${short(q1)} and ${short(q3)}, all between ${short(min)} and ${short(max)}.`
  );
});
