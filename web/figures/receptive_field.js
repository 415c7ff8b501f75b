// Stacked 3x3 convolutions: what one output pixel sees, and what that costs.

import { draw, make, slider, table, thousands } from "./dom.js";

const CELL = 20;
const MOST = 7;

export function start(element) {
  const state = { layers: 2, channels: 64 };
  const drawing = make("div", { class: "drawing" });
  const numbers = make("div");
  const update = () => {
    drawing.replaceChildren(pyramid(state.layers));
    numbers.replaceChildren(...costs(state));
  };
  const controls = make("div", { class: "controls" },
    slider("layers of 3x3", { min: 1, max: MOST, value: state.layers }, (n) => { state.layers = n; update(); }),
    slider("channels", { min: 16, max: 512, step: 16, value: state.channels },
      (n) => { state.channels = n; update(); }));
  element.replaceChildren(controls, drawing, numbers);
  update();
}

/** Side view: a row of pixels for the image and one for each layer; what counts for one output is filled. */
function pyramid(layers) {
  const columns = 2 * MOST + 1;
  const [width, height] = [columns * CELL + 110, (layers + 1) * (CELL + 14)];
  const seen = 2 * layers + 1;
  const svg = draw("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "img", style: `max-width: ${width}px`,
    "aria-label": `${layers} layers of 3x3: one output pixel sees ${seen} x ${seen} pixels of the image`,
  });
  for (let level = 0; level <= layers; level++) {
    const y = height - (level + 1) * (CELL + 14) + 7;
    const reach = layers - level;
    for (let column = 0; column < columns; column++) {
      const lit = Math.abs(column - MOST) <= reach;
      svg.append(draw("rect", {
        x: column * CELL + 1, y, width: CELL - 2, height: CELL - 2, rx: 2,
        class: lit ? (level ? "lit" : "image") : "cell",
      }));
    }
    const name = level ? `layer ${level}: ${2 * reach + 1} px` : `image: ${seen} px`;
    svg.append(draw("text", { x: columns * CELL + 8, y: y + CELL - 6 }, name));
  }
  return svg;
}

function costs({ layers, channels }) {
  const seen = 2 * layers + 1;
  const stacked = layers * 9 * channels ** 2;
  const single = seen ** 2 * channels ** 2;
  const rows = [
    [`${layers} x 3x3`, `${seen} x ${seen}`, thousands(stacked), String(layers)],
    [`1 x ${seen}x${seen}`, `${seen} x ${seen}`, thousands(single), "1"],
  ];
  return [
    table(["layers", "sees", "weights", "activations"], rows),
    make("p", {}, layers === 1 ? "One layer of 3x3: nothing to compare yet."
      : `The stack has ${Math.round((100 * stacked) / single)} % of the weights of the single layer, and sees as much.`),
  ];
}
