// Axes of a chart: where a value lies in the drawing, and the lines and numbers around it.

import { draw } from "./dom.js";

const MARGIN = { left: 50, right: 14, top: 10, bottom: 44 };

/**
 * An empty chart of so many pixels. An axis is {from, to, label} and perhaps {log: true}.
 * Gives the drawing, and x(value) and y(value) in its pixels.
 */
export function chart({ width, height, x, y, label }) {
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const [partX, partY] = [part(x), part(y)];
  const placeX = (value) => MARGIN.left + inner.width * partX(value);
  const placeY = (value) => MARGIN.top + inner.height * (1 - partY(value));
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label });
  const bottom = MARGIN.top + inner.height;
  for (const value of ticks(x, inner.width / 70)) {
    svg.append(
      draw("line", { class: "grid", x1: placeX(value), x2: placeX(value), y1: MARGIN.top, y2: bottom }),
      draw("text", { x: placeX(value), y: bottom + 16, "text-anchor": "middle" }, written(value)));
  }
  for (const value of ticks(y, inner.height / 40)) {
    svg.append(
      draw("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: placeY(value), y2: placeY(value) }),
      draw("text", { x: MARGIN.left - 6, y: placeY(value) + 4, "text-anchor": "end" }, written(value)));
  }
  svg.append(
    draw("text", { x: MARGIN.left + inner.width / 2, y: height - 8, "text-anchor": "middle" }, x.label),
    draw("text", { transform: `translate(13 ${MARGIN.top + inner.height / 2}) rotate(-90)`, "text-anchor": "middle" }, y.label));
  return { svg, x: placeX, y: placeY };
}

/** Which part of an axis lies before a value. */
function part({ from, to, log }) {
  const scale = log ? Math.log10 : Number;
  return (value) => (scale(value) - scale(from)) / (scale(to) - scale(from));
}

/** Round numbers on an axis, about so many; on a logarithmic one powers of ten, and 2 and 5 times where these are few. */
function ticks({ from, to, log }, room) {
  if (log) {
    const powers = [];
    for (let power = Math.floor(Math.log10(from)); power <= Math.log10(to); power++) powers.push(10 ** power);
    const within = (digits) => powers.flatMap((power) => digits.map((digit) => digit * power))
      .filter((value) => value >= from && value <= to);
    return within([1]).length > 1 ? within([1]) : within([1, 2, 5]);
  }
  const least = (to - from) / Math.max(room, 1);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = power * [1, 2, 5, 10].find((digit) => digit * power >= least);
  const found = [];
  for (let n = Math.ceil(from / step - 1e-9); n * step <= to + 1e-9 * step; n++) found.push(n * step);
  return found;
}

const written = (value) => String(Number(value.toPrecision(3)));

/** Calls `show(width)` now and whenever the element has another width, so that letters keep their size. */
export function whenResized(element, show) {
  let last = 0;
  new ResizeObserver(() => {
    const width = Math.round(Math.min(720, Math.max(280, element.clientWidth)));
    if (width !== last) show(last = width);
  }).observe(element);
}
