// A network as the reader describes it: drawing, shapes, parameters and multiply-adds.

import known from "./configurations.json";
import { chooser, draw, folded, make, table, thousands } from "./dom.js";
import { readConnected, readStacks, total, trace, writeStacks } from "./vgg.js";

const OWN = "your own";

export function start(element) {
  const configuration = chooser("configuration", [...Object.keys(known), OWN], "D", (name) => { if (name !== OWN) choose(name); });
  const edit = () => {
    configuration.set(OWN);
    update();
  };
  const field = () => make("input", { type: "text", spellcheck: "false", oninput: edit });
  const stacks = field();
  const connected = field();
  const image = make("input", { type: "number", min: 1, max: 1024, oninput: edit });
  const drawing = make("div", { class: "drawing" });
  const numbers = make("p");
  const layers = folded("Layer by layer");
  const problem = make("p", { class: "problem", role: "alert" });

  function choose(name) {
    stacks.value = writeStacks(known[name].stacks);
    connected.value = known[name].connected.join(" ");
    image.value = known[name].image;
    update();
  }

  function update() {
    try {
      const side = Number(image.value);
      if (!(Number.isInteger(side) && side >= 1 && side <= 1024)) {
        throw new Error("image: write a side from 1 to 1024 pixels");
      }
      const rows = trace({
        stacks: readStacks(stacks.value), connected: readConnected(connected.value), image: side,
      });
      drawing.replaceChildren(volumes(rows, side));
      numbers.replaceChildren(...describe(rows));
      layers.set(layerByLayer(rows));
      problem.textContent = "";
    } catch (error) {
      problem.textContent = error.message; // what was drawn before stays
    }
  }

  element.replaceChildren(
    make("div", { class: "controls" },
      configuration,
      make("label", { class: "wide" }, make("span", {}, "convolutions"), stacks),
      make("label", {}, make("span", {}, "fully connected"), connected),
      make("label", {}, make("span", {}, "image, pixels"), image)),
    problem, drawing, numbers, layers);
  choose("D");
}

/** Each output as a box: as high as its map, as wide as its channels, both to scale. */
function volumes(rows, side) {
  const [height, gap] = [180, 3];
  const most = Math.max(...rows.map((row) => row.shape[0]).filter((_, i) => rows[i].shape.length > 1));
  const boxes = rows.map((row) => ({
    row,
    width: row.shape.length > 1 ? Math.max(2, (34 * row.shape[0]) / most) : 4,
    height: row.shape.length > 1 ? Math.max(2, (height * row.shape[1]) / side) : 60,
    kind: row.kind.startsWith("conv") ? "conv" : row.kind === "maxpool" ? "pool" : "fc",
  }));
  const width = boxes.reduce((sum, box) => sum + box.width + gap, 0);
  const svg = draw("svg", {
    viewBox: `0 0 ${width} ${height + 4}`, role: "img", style: `max-width: ${2 * width}px`,
    "aria-label": `${rows.length} layers, each as a box: its height is the side of the map, its width the channels`,
  });
  let x = 0;
  for (const box of boxes) {
    svg.append(draw("rect", {
      x, y: (height - box.height) / 2 + 2, width: box.width, height: box.height, class: box.kind,
    }, draw("title", {}, `${box.row.kind}: ${box.row.shape.join(" x ")}`)));
    x += box.width + gap;
  }
  return svg;
}

function describe(rows) {
  const layers = rows.filter((row) => row.parameters).length;
  return [`${layers} layers with weights, `, make("b", {}, thousands(total(rows, "parameters"))), " parameters, ",
    make("b", {}, thousands(total(rows, "multiplyAdds"))), " multiply-adds for one image."];
}

function layerByLayer(rows) {
  const lines = rows.map((row) => [
    row.kind, row.shape.join(" x "), thousands(row.parameters), thousands(row.multiplyAdds),
    row.field === null ? "image" : String(row.field),
  ]);
  const sums = ["parameters", "multiplyAdds"].map((name) => thousands(total(rows, name)));
  return table(["layer", "output", "parameters", "multiply-adds", "receptive field"], [...lines, ["total", "", ...sums, ""]]);
}
