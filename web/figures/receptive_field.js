// What one output sees of the image: stacks of 3x3 and what they cost, and any layers with strides and pools.

import configurations from "./configurations.json";
import { whenResized } from "./chart.js";
import { chooser, draw, folded, make, slider, table, thousands } from "./dom.js";

const MOST = 7;
const OWN = "your own";
const ROW = 30; // pixels of the drawing for a layer
const BESIDE = 118; // pixels for what is written beside it

/** Reads "3 3 2/2 3": the kernel of each layer, and after a slash its stride if it is not 1; a pool is 2/2. */
export function readLayers(text) {
  const layers = text.trim().split(/\s+/).filter(Boolean).map((word) => {
    const [, kernel, stride = "1"] = /^(\d+)(?:\/(\d+))?$/.exec(word) ?? [];
    if (!(kernel >= 1 && kernel <= 15 && stride >= 1 && stride <= 8)) {
      throw new Error(`"${word}" is no layer: write kernels from 1 to 15, and strides to 8 after a slash, such as 3 3 2/2`);
    }
    return { kernel: Number(kernel), stride: Number(stride) };
  });
  const gaps = layers.slice(0, -1).find(({ kernel, stride }) => stride > kernel); // of the last the stride is not seen
  if (gaps) {
    throw new Error(`"${gaps.kernel}/${gaps.stride}" leaves pixels out: the stride may be as large as the kernel here, and no larger`);
  }
  if (!layers.length || layers.length > 30) throw new Error("write 1 to 30 layers, such as 3 3 2/2");
  return layers;
}

/** For the image and each layer: how many of its places one output at the top depends on, and how far they are apart. */
export function fields(layers) {
  const levels = [{ jump: 1, field: 1 }];
  for (const { kernel, stride } of layers) {
    const { jump, field } = levels.at(-1);
    levels.push({ jump: jump * stride, field: field + (kernel - 1) * jump });
  }
  let seen = 1;
  for (let i = layers.length; i >= 0; i--) {
    levels[i].seen = seen;
    if (i) seen = (seen - 1) * layers[i - 1].stride + layers[i - 1].kernel;
  }
  return levels;
}

export function start(element) {
  const state = { layers: readLayers("3 3"), channels: 64 };
  const drawing = make("div", { class: "drawing" });
  const numbers = make("div");
  const details = folded("Layer by layer");
  const problem = make("p", { class: "problem", role: "alert" });
  let width = 0;

  function update() {
    if (width) drawing.replaceChildren(pyramid(state.layers, width));
    numbers.replaceChildren(...costs(state));
    details.set(layerByLayer(state.layers));
  }

  function use(layers) {
    state.layers = layers;
    problem.textContent = "";
    if (isStack(layers) && layers.length <= MOST) stack.set(layers.length);
    else stack.set(1, { told: "\u2013" }); // not in use
    update();
  }

  const written = make("input", {
    type: "text", value: "3 3", spellcheck: "false",
    oninput: () => {
      network.set(OWN);
      try {
        use(readLayers(written.value));
      } catch (error) {
        problem.textContent = error.message;
      }
    },
  });
  const write = (text) => {
    written.value = text;
    use(readLayers(text));
  };
  const ofNetwork = (name) => configurations[name].stacks
    .map((stack) => [...stack.map((layer) => layer.kernel), "2/2"].join(" ")).join(" ");
  const network = chooser("network", [OWN, ...Object.keys(configurations)], OWN,
    (name) => { if (name !== OWN) write(ofNetwork(name)); });
  const stack = slider("layers of 3x3", { min: 1, max: MOST, value: 2 }, (n) => {
    network.set(OWN);
    write(Array(n).fill(3).join(" "));
  });
  element.replaceChildren(
    make("div", { class: "controls" },
      stack,
      slider("channels", { min: 16, max: 512, step: 16, value: state.channels },
        (n) => { state.channels = n; update(); }),
      network,
      make("label", { class: "wide" }, make("span", {}, "kernels"), written)),
    problem, drawing, numbers, details);
  update();
  whenResized(drawing, (pixels) => { width = pixels; update(); });
}

/** Side view, to scale: for the image and each layer the places on which one output at the top depends. */
function pyramid(layers, width) {
  const levels = fields(layers);
  const pixels = levels.at(-1).field;
  const pixel = Math.min(20, (width - BESIDE) / pixels);
  const [middle, height] = [(width - BESIDE) / 2, levels.length * ROW];
  const svg = draw("svg", {
    viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${layers.length} layers: one output sees ${pixels} x ${pixels} pixels of the image`,
  });
  levels.forEach(({ jump, seen }, level) => {
    const y = height - (level + 1) * ROW + 5;
    const box = { y, height: ROW - 10, rx: 2, class: level ? "lit" : "image" };
    if (jump * pixel >= 3) {
      for (let i = 0; i < seen; i++) {
        const center = middle + (i - (seen - 1) / 2) * jump * pixel;
        const side = Math.max(1, Math.min(20, jump * pixel) - Math.min(2, jump * pixel / 4));
        svg.append(draw("rect", { ...box, x: center - side / 2, width: side }));
      }
    } else { // too many to tell apart
      const side = seen * jump * pixel;
      svg.append(draw("rect", { ...box, x: middle - side / 2, width: side }));
    }
    const name = level ? `layer ${level}: ${seen}` : `image: ${seen} px`;
    svg.append(draw("text", { x: width - BESIDE + 8, y: y + ROW - 16 }, name));
  });
  return svg;
}

const isStack = (layers) => layers.every(({ kernel, stride }) => kernel === 3 && stride === 1);

/** A stack of 3x3 beside the single layer that sees as much. */
function costs({ layers, channels }) {
  if (!isStack(layers)) return [];
  const seen = 2 * layers.length + 1;
  const stacked = layers.length * 9 * channels ** 2;
  const single = seen ** 2 * channels ** 2;
  const rows = [
    [`${layers.length} x 3x3`, `${seen} x ${seen}`, thousands(stacked), String(layers.length)],
    [`1 x ${seen}x${seen}`, `${seen} x ${seen}`, thousands(single), "1"],
  ];
  return [
    table(["layers", "sees", "weights", "activations"], rows),
    make("p", {}, layers.length === 1 ? "One layer of 3x3: nothing to compare yet."
      : `The stack has ${Math.round((100 * stacked) / single)} % of the weights of the single layer, and sees as much.`),
  ];
}

function layerByLayer(layers) {
  const levels = fields(layers);
  const rows = layers.map(({ kernel, stride }, i) => [
    `layer ${i + 1}`, `${kernel}x${kernel}`, String(stride), String(levels[i + 1].jump), `${levels[i + 1].field} x ${levels[i + 1].field}`,
  ]);
  return table(["layer", "kernel", "stride", "pixels between two outputs", "sees"], rows);
}
