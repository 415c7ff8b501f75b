// AlexNet's color shift: a picture, the cloud of its colors, and the three principal axes of the data set.

import { chooser, make, picture, slider } from "./dom.js";
import images from "./images.png";
import palette from "./palette.json";
import pca from "./pca.json";
import { classes, labels } from "./predictions.json";

const SIZE = 260;

/** The shift of every pixel, [0, 1] scale: sum of a_i s_i p_i; vectors[j][i] is component i of channel j. */
export function shift({ eigenvalues, eigenvectors }, amplitudes, scale) {
  const sizes = eigenvalues.map((value) => (scale === "root" ? Math.sqrt(value) : value));
  return eigenvectors.map((row) => row.reduce((sum, v, i) => sum + v * amplitudes[i] * sizes[i], 0));
}

export async function start(element) {
  const sprite = await picture(images);
  const state = { image: 0, amplitudes: [0, 0, 0], scale: "root" };
  const named = labels.slice(0, 10).map((label, i) => `${i + 1}: ${classes[label]}`);
  const before = make("canvas", { width: 32, height: 32, role: "img", "aria-label": "the picture" });
  const after = make("canvas", { width: 32, height: 32, role: "img", "aria-label": "the picture, shifted" });
  const cloud = make("canvas", {
    width: SIZE, height: SIZE, role: "img", class: "cloud",
    "aria-label": "the colors of the shifted picture as points, and the three principal axes",
  });
  const numbers = make("p");

  function update() {
    const context = before.getContext("2d", { willReadFrequently: true });
    context.drawImage(sprite, 32 * state.image, 0, 32, 32, 0, 0, 32, 32);
    const pixels = context.getImageData(0, 0, 32, 32);
    const moved = shift(pca, state.amplitudes, state.scale);
    for (let i = 0; i < pixels.data.length; i++) {
      if (i % 4 < 3) pixels.data[i] = Math.round(pixels.data[i] + 255 * moved[i % 4]); // clamped by its type
    }
    after.getContext("2d").putImageData(pixels, 0, 0);
    drawCloud(cloud.getContext("2d"), pixels.data, pca, palette.axes);
    const signed = moved.map((v) => `${v < 0 ? "\u2212" : "+"}${Math.abs(255 * v).toFixed(1)}`);
    numbers.textContent = `Every pixel: red ${signed[0]}, green ${signed[1]}, blue ${signed[2]} of 255.`;
    element.dataset.shift = JSON.stringify(moved);
  }

  element.replaceChildren(
    make("div", { class: "controls" },
      chooser("picture", named, named[0], (name) => { state.image = named.indexOf(name); update(); }),
      chooser("times", ["root", "eigenvalue"], "root", (name) => { state.scale = name; update(); }),
      ...amplitudes("", state, update)),
    make("div", { class: "side-by-side" },
      make("figure", {}, before, make("figcaption", {}, "before")),
      make("figure", {}, after, make("figcaption", {}, "after")),
      make("figure", {}, cloud, make("figcaption", {}, "its colors, and the axes of the data set"))),
    numbers);
  update();
}

/** A slider for each of the three amplitudes of a state. */
export function amplitudes(before, state, update) {
  return [..."\u2081\u2082\u2083"].map((digit, i) => slider(`${before}a${digit}`,
    { min: -3, max: 3, step: 0.05, value: 0, show: (v) => v.toFixed(2) },
    (v) => { state.amplitudes[i] = v; update(); }));
}

/** Looks at the RGB cube from a corner: gray runs upwards. */
function project([r, g, b]) {
  const [gray, green] = [(r + g + b) / 3, g - (r + b) / 2];
  return [SIZE * (0.5 + 0.6 * (r - b)), SIZE * (0.95 - 0.9 * gray - 0.25 * green)];
}

function drawCloud(context, pixels, { mean, eigenvalues, eigenvectors }, colors) {
  context.fillStyle = "white";
  context.fillRect(0, 0, SIZE, SIZE);
  for (let i = 0; i < pixels.length; i += 4) {
    const rgb = [pixels[i], pixels[i + 1], pixels[i + 2]];
    const [x, y] = project(rgb.map((v) => v / 255));
    context.fillStyle = `rgb(${rgb.join(",")})`;
    context.fillRect(x - 1.5, y - 1.5, 3, 3);
  }
  eigenvalues.forEach((value, i) => {
    const end = (side) => project(mean.map((m, c) => m + side * 2 * Math.sqrt(value) * eigenvectors[c][i]));
    context.strokeStyle = colors[i];
    context.lineWidth = 2.5;
    context.beginPath();
    context.moveTo(...end(-1));
    context.lineTo(...end(1));
    context.stroke();
  });
}
