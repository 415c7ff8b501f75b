// Top-k accuracy on real predictions: of a network that this build trained, on the built-in test images.

import { make, picture, slider } from "./dom.js";
import images from "./images.png";
import { classes, labels, probabilities, ranks } from "./predictions.json";

export async function start(element) {
  const sprite = await picture(images);
  const accuracy = make("p");
  const tiles = make("div", { class: "tiles" });

  function update(k) {
    const right = ranks.filter((rank) => rank < k).length;
    accuracy.replaceChildren(`Top-${k}: right for `, make("b", {}, `${((100 * right) / ranks.length).toFixed(1)} %`),
      ` of ${ranks.length.toLocaleString("en-US")} test images.`);
    tiles.replaceChildren(...labels.map((label, i) => {
      const order = classes.map((_, c) => c).sort((a, b) => probabilities[i][b] - probabilities[i][a]);
      const found = ranks[i] < k;
      const lines = order.slice(0, Math.min(k, 5)).map((c) => {
        const line = `${classes[c]} ${(100 * probabilities[i][c]).toFixed(0)} %`;
        return make("li", {}, c === label ? make("b", {}, line) : line);
      });
      return make("figure", { class: found ? "right" : "wrong" }, tile(sprite, i, classes[label]),
        make("figcaption", {}, `${classes[label]}: ${found ? "right" : "wrong"}`, make("ol", {}, ...lines)));
    }));
  }
  element.replaceChildren(
    make("div", { class: "controls" }, slider("k", { min: 1, max: classes.length, value: 1 }, update)),
    accuracy, tiles);
  update(1);
}

/** Picture number i of the sprite, enlarged. */
export function tile(sprite, i, name) {
  const canvas = make("canvas", { width: 32, height: 32, role: "img", "aria-label": `picture of a ${name}` });
  canvas.getContext("2d").drawImage(sprite, 32 * i, 0, 32, 32, 0, 0, 32, 32);
  return canvas;
}
