// "Try it": a VGG that this build trained classifies in the reader's browser. Nothing is sent anywhere.

import { shift } from "./color_shift.js";
import { make, picture, slider } from "./dom.js";
import images from "./images.png";
import about from "./model.json";
import pca from "./pca.json";
import { labels } from "./predictions.json";
import { tile } from "./top_k.js";

const SIDE = 32;
const SHOWN = 10;
/** Where this script is, and beside it the network and the program that runs it. */
const HERE = document.currentScript.src;

export function start(element) {
  if (location.protocol === "file:") {
    element.append(make("p", {}, "A browser does not load the network of a page that is opened from disk. ",
      make("code", {}, "make serve"), " in the folder of the repository, or ", make("code", {}, "python3 -m http.server"),
      " in that of the site, serves the same pages and prints an address: open it, and the network runs here."));
    return;
  }
  const size = (about.bytes / 1e6).toFixed(1);
  const begin = make("button", {
    type: "button",
    onclick: async () => {
      begin.disabled = true;
      begin.textContent = "Loading \u2026";
      try {
        await run(element);
      } catch (error) {
        begin.textContent = `It does not start here: ${error.message}`;
        throw error;
      }
    },
  }, `Load the network: ${size} MB, and 14 MB for the program that runs it`);
  element.append(begin);
}

async function run(element) {
  const runtime = await import(new URL("onnxruntime/ort.wasm.bundle.min.mjs", HERE));
  runtime.env.wasm.numThreads = 1; // more need headers that a static server does not send
  const session = await runtime.InferenceSession.create(new URL("model.onnx", HERE).href);
  const sprite = await picture(images);

  const state = { amplitudes: [0, 0, 0], running: Promise.resolve() };
  const view = make("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": "what the network sees" });
  const context = view.getContext("2d", { willReadFrequently: true });
  const original = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
  const bars = make("div", { class: "bars", "aria-live": "polite" });
  const maps = make("div", { class: "maps" });
  const problem = make("p", { class: "problem", role: "alert" });

  /** The square in the middle of a picture, at the network's size. */
  function show(source, width, height) {
    const side = Math.min(width, height);
    original.imageSmoothingQuality = "high";
    choose(null);
    original.fillStyle = "white"; // shows through where the picture is transparent, as in training
    original.fillRect(0, 0, SIDE, SIDE);
    original.drawImage(source, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
    update();
  }

  /** One run at a time, and the last wish counts. */
  function update() {
    state.wish = {};
    const wish = state.wish;
    state.running = state.running.then(() => (wish === state.wish ? classify() : undefined))
      .catch((error) => { problem.textContent = error.message; });
    return state.running;
  }

  async function classify() {
    const pixels = original.getImageData(0, 0, SIDE, SIDE);
    const moved = shift(pca, state.amplitudes, "root");
    const values = new Float32Array(2 * 3 * SIDE * SIDE);
    for (let p = 0; p < SIDE * SIDE; p++) {
      const mirrored = p - (p % SIDE) + (SIDE - 1 - (p % SIDE));
      for (let c = 0; c < 3; c++) {
        const value = pixels.data[4 * p + c] / 255 - pca.mean[c] + moved[c];
        values[c * SIDE * SIDE + p] = value;
        values[(3 + c) * SIDE * SIDE + mirrored] = value;
        pixels.data[4 * p + c] = Math.round(pixels.data[4 * p + c] + 255 * moved[c]);
      }
    }
    context.putImageData(pixels, 0, 0);
    const input = new runtime.Tensor("float32", values, [2, 3, SIDE, SIDE]);
    const began = performance.now();
    const { logits, maps: features } = await session.run({ images: input });
    const took = performance.now() - began;
    const n = about.classes.length;
    const views = [logits.data.slice(0, n), logits.data.slice(n)].map(softmax);
    const mean = views[0].map((value, c) => (value + views[1][c]) / 2);
    bars.replaceChildren(...best(about.classes, mean, views),
      make("p", {}, `${took.toFixed(0)} ms for the picture and its mirror image`));
    maps.replaceChildren(...featureMaps(features));
    element.dataset.logits = JSON.stringify([...logits.data]);
    element.dataset.runs = Number(element.dataset.runs ?? 0) + 1;
  }

  const pictures = make("div", { class: "pictures" }, ...labels.slice(0, SHOWN).map((label, i) =>
    make("button", { type: "button", "aria-label": `picture ${i + 1}: ${about.classes[label]}`, onclick: () => {
      problem.textContent = "";
      choose(i);
      original.clearRect(0, 0, SIDE, SIDE);
      original.drawImage(sprite, SIDE * i, 0, SIDE, SIDE, 0, 0, SIDE, SIDE);
      update();
    } }, tile(sprite, i, about.classes[label]))));
  /** Mark a picture as chosen; none for one of the reader's own. */
  function choose(chosen) {
    [...pictures.children].forEach((button, i) => { button.ariaPressed = String(i === chosen); });
  }

  const file = make("input", { type: "file", accept: "image/*", onchange: async () => {
    problem.textContent = "";
    try {
      const image = await createImageBitmap(file.files[0]);
      show(image, image.width, image.height);
    } catch {
      problem.textContent = "This file is no picture that the browser can read: choose a PNG, JPEG or WebP.";
    }
  } });
  const camera = make("button", { type: "button", onclick: () => shoot().catch(() => {
    problem.textContent = "There is no camera, or the browser may not use it.";
  }) }, "Take a picture");

  async function shoot() {
    problem.textContent = "";
    const stream = await navigator.mediaDevices.getUserMedia({ video: true });
    try {
      const video = make("video", { autoplay: "", muted: "", playsinline: "" });
      video.srcObject = stream;
      await video.play();
      show(video, video.videoWidth, video.videoHeight);
    } finally {
      stream.getTracks().forEach((track) => track.stop());
    }
  }

  const amplitude = (i) => slider(`color shift, a${"\u2081\u2082\u2083"[i]}`,
    { min: -3, max: 3, step: 0.05, value: 0, show: (v) => v.toFixed(2) },
    (v) => { state.amplitudes[i] = v; update(); });
  element.replaceChildren(
    make("p", {}, "Choose a picture of the built-in data set, or one of your own. It stays on your machine."),
    pictures,
    make("div", { class: "controls" },
      make("label", {}, make("span", {}, "your own"), file), camera, amplitude(0), amplitude(1), amplitude(2)),
    problem,
    make("div", { class: "side-by-side" }, make("figure", {}, view, make("figcaption", {}, "what it sees")), bars),
    make("p", {}, "What the first layer makes of it, its first 16 maps:"), maps);
  pictures.firstChild.click();
  await state.running;
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = [...logits].map((value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((value) => value / sum);
}

function best(classes, mean, [image, mirror]) {
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  return classes.map((_, c) => c).sort((a, b) => mean[b] - mean[a]).slice(0, 5).map((c) =>
    make("div", { class: "bar" }, make("span", {}, classes[c]),
      make("span", { class: "length" }, make("span", { style: `width: ${100 * mean[c]}%` })),
      make("span", {}, percent(mean[c])),
      make("small", {}, `picture ${percent(image[c])}, mirror image ${percent(mirror[c])}`)));
}

/** Each map scaled to its own brightest place. */
function featureMaps({ data, dims: [, , height, width] }) {
  return Array.from({ length: 16 }, (_, channel) => {
    const map = data.slice(channel * height * width, (channel + 1) * height * width);
    const most = Math.max(...map, 1e-9);
    const canvas = make("canvas", { width, height, role: "img", "aria-label": `map ${channel + 1}` });
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    map.forEach((value, p) => pixels.data.set([255 * value / most, 255 * value / most, 255 * value / most, 255], 4 * p));
    context.putImageData(pixels, 0, 0);
    return canvas;
  });
}
