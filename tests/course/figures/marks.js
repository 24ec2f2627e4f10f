// @ts-check
import { figure } from "../figures/shared.js";

export default figure(({ state: { level }, colors, plot }) => {
  const panel = plot({
    x: { domain: [0, 10], label: "across", ticks: [0, 5, 10] }, y: { domain: [-1, 3], label: "up", ticks: [-1, 3] },
    height: 200,
  });
  panel.line([[0, -1], [5, 1], [10, 3]], { color: colors.accent, dash: "4 4", width: 3 });
  panel.area([[2, 0], [4, 2]]);
  panel.bar([1, 2], [0, 2]);
  panel.rule(5);
  panel.rule(7.5, { to: 1 });
  panel.dot([10, 3], { r: 6 });
  panel.text([5, 1], "middle", { dx: 8, dy: -4, anchor: "end" });
  panel.labels([{ at: [1, 1], text: "low" }, { at: [1, 1.1], text: "high" }, { at: [9, -1], text: "floor" }]);
  panel.behind([0, 100]).dot([5, 50], { r: 2 });
  panel.handle([5, level], { y: "level" });
  const second = plot({ x: { domain: [0, 1] }, y: { domain: [0, 97] }, height: 150 });
  second.dot([0, 0], { r: 3 });
  return `The level is ${level}.`;
});
