// @ts-check
import { clip, figure, fixed, percent } from "../figures/shared.js";

/** @param {number[]} values */
export const minMax = (values) => {
  const low = Math.min(...values), high = Math.max(...values);
  return values.map((value) => (high > low ? (value - low) / (high - low) : 0));
};

/** @param {{ rmse: number, nasa: number }[]} points */
export const lines = (points) => {
  const rmse = minMax(points.map((point) => point.rmse)), nasa = minMax(points.map((point) => point.nasa));
  return points.map((_, i) => [rmse[i], nasa[i]]);
};

/** @param {{ rmse: number, nasa: number }[]} points @param {number} w */
export const preference = (points, w) => lines(points).map(([rmse, nasa]) => (1 - w) * rmse + w * nasa);

/** @param {{ rmse: number, nasa: number }[]} points */
export const front = (points) => points.map((a) => !points.some((b) =>
  b.rmse <= a.rmse && b.nasa <= a.nasa && (b.rmse < a.rmse || b.nasa < a.nasa)));

// More than the values take, on the right with room for labels, from a round number to a round number.
/** @param {number[]} values @param {number} unit @param {number} right */
const roomy = (values, unit, right) => {
  const low = Math.min(...values), high = Math.max(...values), room = 0.12 * (high - low) || unit;
  return [unit * Math.floor((low - room) / unit), unit * Math.ceil((high + right * room) / unit)];
};

export default figure(({ state: { w, numbers, subset, everybody }, data, colors, plot, legend, table }) => {
  const points = data.points[numbers][subset].filter(({ main }) => main || everybody);
  const best = lines(points), value = preference(points, w);
  const winner = value.indexOf(Math.min(...value)), onFront = front(points);
  const wins = numbers === "measured" && points.length ? data.wins[subset][everybody ? "all" : "book"] : null;
  const share = (i) => wins.values[Math.round(w * 100) * wins.shape[1] + i];
  const known = (name) => points.flatMap((point) => [`${name}_low`, name, `${name}_high`].map((key) => point[key]))
    .filter((number) => number !== null);

  legend(points);
  const plane = plot({
    x: { domain: points.length ? roomy(known("rmse"), 0.1, 4) : [0, 1], label: "RMSE (cycles)", ticks: points.length ? undefined : [] },
    y: { domain: points.length ? roomy(known("nasa"), 10, 1) : [0, 1], label: "NASA score", ticks: points.length ? undefined : [] },
    height: 300,
  });
  const stroke = (dash) => dash || undefined;
  for (const { rmse, rmse_low, rmse_high, nasa, nasa_low, nasa_high, color, dash } of points) {
    const bar = { width: 1.5, color, dash: stroke(dash) };
    if (rmse_low !== null) plane.line([[rmse_low, nasa], [rmse_high, nasa]], bar);
    if (nasa_low !== null) plane.line([[rmse, nasa_low], [rmse, nasa_high]], bar);
  }
  const stair = points.filter((_, i) => onFront[i]).sort((a, b) => a.rmse - b.rmse || a.nasa - b.nasa);
  plane.line(stair.flatMap(({ rmse, nasa }, i) => (i ? [[rmse, stair[i - 1].nasa], [rmse, nasa]] : [[rmse, nasa]])), { dash: "4 4", width: 1.2 });
  if (points.length) {
    const { rmse, nasa } = points[winner];
    plane.dot([rmse, nasa], { color: colors.accent, r: 9 });
  }
  plane.labels(points.filter((_, i) => onFront[i] || i === winner || points.length < 7)
    .map(({ rmse, nasa, label, color }) => ({ at: [rmse, nasa], text: label, color })));
  points.forEach(({ rmse, nasa, color, marker, hollow }, i) => plane.dot([rmse, nasa], { color, marker, hollow, r: i === winner ? 5 : 4 }));
  if (!points.length) plane.text([0.5, 0.5], `no ${numbers} numbers for ${subset}`, { anchor: "middle" });

  const values = plot({
    x: { domain: [0, 1], label: "preference w" },
    y: { domain: [0, 1.14], label: "J (lower is better)", ticks: [0, 0.5, 1] },
    height: 250,
  });
  for (const [name, from, to] of data.regimes) {
    if (from) values.rule(from, { to: 1.14 });
    values.text([(from + to) / 2, 1.06], name, { anchor: "middle" });
  }
  points.forEach(({ color, dash }, i) => values.line(best[i].map((height, end) => [end, height]), { color, dash: stroke(dash), width: i === winner ? 4 : 2 }));
  values.rule(w, { color: colors.accent, to: 1 });
  values.handle([w, points.length ? clip(value[winner], 0, 1) : 0], { x: "w" });

  const regime = data.regimes.find(([, , to]) => w < to) ?? data.regimes.at(-1);
  const band = `In the source's bands, w = ${fixed(w)} is the ${regime[0]} regime.`;
  table(
    ["Method", "RMSE", "NASA score", `J at w = ${fixed(w)}`, "Wins"],
    points.map(({ label, color, dash, marker, hollow, rmse, nasa }, i) => [
      { label, color, dash, marker, hollow }, fixed(rmse), fixed(nasa, 1), fixed(value[i], 3), wins ? percent(share(i), 0) : "unknown",
    ]),
  );
  if (!points.length) return `There are no ${numbers} numbers for ${subset}, so nothing wins. ${band}`;
  const names = stair.map(({ label }) => label).join(", ");
  const sure = wins
    ? `It wins in ${percent(share(winner), 0)} of all ways to draw the ${data.seeds[subset]} seeds again.`
    : "How sure that is cannot be told: the source prints means, not runs.";
  return (
    `${band} Of ${points.length} methods ${points[winner].label} has the lowest J, ${fixed(value[winner], 3)}. ${sure} ` +
    `On the front: ${names}.`
  );
});
