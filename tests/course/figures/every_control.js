// @ts-check
import { figure, fixed } from "../figures/shared.js";

export default figure(({ state: { east, north, along, parts, on }, plot }) => {
  const panel = plot({ x: { domain: [0, 10], label: "east" }, y: { domain: [0, 10], label: "north" }, height: 300 });
  panel.line([[0, north], [10, north]]);
  if (on) panel.dot([5, 5]);
  const ways = { x: { x: "east" }, y: { y: "north" }, xy: { x: "east", y: "north" } };
  panel.handle([east, north], ways[along]);
  return `${fixed(east, 1)} east, ${fixed(north, 1)} north, along ${along}, parts ${parts.join("+") || "none"}, ${on ? "on" : "off"}.`;
});
