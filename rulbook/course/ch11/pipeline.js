// @ts-check
import { figure, percent, range, whole } from "../figures/shared.js";

/** @param {number[]} sizes */
const shape = (sizes) => sizes.join(" × ");
/** @param {number[]} sizes */
const numbers = (sizes) => sizes.reduce((product, size) => product * size, 1);

export default figure(({ state: { block, preset, features }, data, colors, width, plot, table }) => {
  const { total, blocks } = data[preset][features], open = blocks[block - 1];
  const { log10 } = Math, height = ({ gives }) => log10(numbers(gives));
  const color = (i) => (i + 1 === block ? colors.accent : colors.others[1]);
  const narrow = width < 600;
  const x = {
    domain: [0.4, 7.6], ticks: range(7, 1),
    format: (i) => (narrow ? String(i) : blocks[i - 1].name), label: narrow ? "block" : undefined,
  };

  const flow = plot({
    x,
    y: {
      domain: [-0.15, 4.6], ticks: range(5), format: (decades) => whole(10 ** decades),
      label: narrow ? "numbers leaving the block (log scale)" : "numbers that leave the block, for one window (log scale)",
    },
    height: 230, left: 52,
  });
  const points = blocks.map((one, i) => [i + 1, height(one)]);
  flow.line(points.slice(0, 6), { color: colors.others[1], width: 2 });
  flow.line([points[4], points[6]], { color: colors.others[1], width: 2 });
  points.forEach((point, i) => {
    flow.dot(point, { color: color(i), r: 5 });
    flow.text(point, whole(numbers(blocks[i].gives)), {
      dy: i + 1 === block ? -17 : -12, anchor: "middle", strong: i + 1 === block,
    });
  });
  flow.handle(points[block - 1], { x: "block" });

  const shares = plot({ x, y: { domain: [0, 75], label: "share of all parameters (%)" }, height: 190, left: 52 });
  blocks.forEach(({ parameters }, i) => {
    const share = (100 * parameters) / total;
    shares.bar([i + 0.65, i + 1.35], [0, share], { color: color(i) });
    shares.text([i + 1, share], share && share < 1 ? share.toFixed(2) : share.toFixed(share ? 1 : 0), {
      dy: -6, anchor: "middle", strong: i + 1 === block,
    });
  });

  table(
    [`${block}. ${open.name}`, "in", "out", "parameters"],
    open.layers.map(([kind, takes, gives, parameters]) => [kind, shape(takes), shape(gives), whole(parameters)]),
  );
  if (!open.layers.length)
    return (
      `Block 1 is the window itself: ${shape(open.gives)} = ${whole(numbers(open.gives))} numbers. ` +
      `All blocks together have ${whole(total)} parameters.`
    );
  return (
    `Block ${block}, ${open.name}: ${shape(open.takes)} numbers come in, ${shape(open.gives)} leave. ` +
    `It has ${whole(open.parameters)} of ${whole(total)} parameters, ${percent(open.parameters / total, 2)}.`
  );
});
