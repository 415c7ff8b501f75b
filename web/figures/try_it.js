// "Try it": a trained VGG classifies in the reader's browser, a photograph or a drawn shape.

import { amplitudes, shift } from "./color_shift.js";
import credits from "./credits.json";
import { chooser, make, picture, slider, thousands } from "./dom.js";
import images from "./images.png";
import { beside, load, programIsHere } from "./network.js";
import networks from "./networks.json";
import { colorOf, noise, readPixels, shrink } from "./photo.js";
import { labels } from "./predictions.json";

const SIDE = 32;
/** Side of what the pointer covers, in pixels of the network. */
const COVER = 8;
const SHAPES = 10;
const RUNTIME = "14 MB (under 4 compressed)";

export function start(element) {
  if (location.protocol === "file:") {
    element.append(make("p", {}, "A browser does not load the network of a page that is opened from disk. ",
      make("code", {}, "make serve"), " in the folder of the repository, or ", make("code", {}, "python3 -m http.server"),
      " in that of the site, serves the same pages and prints an address: open it, and the network runs here."));
    return;
  }
  const still = element.querySelector("img"); // what is seen until the network is wanted
  const about = make("p");
  const begin = make("button", { type: "button" });
  const told = make("p", { role: "status" });
  const place = make("div");
  const asks = {}; // by the name of a network, once it is wanted: each is loaded once
  let name = "photographs";
  let begun = null; // the last start, if no other network was chosen since

  function offer() {
    const { about: text, bytes } = networks[name];
    about.textContent = text;
    const program = programIsHere() || Object.keys(asks).length; // or on its way
    const andProgram = program ? "" : `, and ${RUNTIME} for the program that runs it`;
    begin.textContent = name in asks ? "Start it" : `Start it: loads ${(bytes / 1e6).toFixed(1)} MB${andProgram}`;
    begin.hidden = false;
    begun = null;
    told.textContent = "";
    place.replaceChildren();
  }
  begin.onclick = async () => {
    if (begun) return;
    const [wanted, start] = [name, {}];
    begun = start;
    told.textContent = "Loading";
    try {
      asks[wanted] ??= load(networks[wanted], (part) => {
        if (wanted === name && begun) told.textContent = `Loading: ${10 * Math.floor(10 * part)} %`;
      }).catch((error) => {
        delete asks[wanted];
        throw error;
      });
      const ask = await asks[wanted];
      const counts = () => begun === start; // no other was chosen in the meantime
      if (!counts()) return;
      const focused = document.activeElement === begin;
      begin.hidden = true;
      told.textContent = "";
      still?.remove();
      await run(element, place, wanted, ask, counts);
      const lost = document.activeElement === document.body;
      if (focused && lost && counts()) place.querySelector(".pictures button").focus();
    } catch (error) {
      if (begun === start) {
        offer();
        told.textContent = `It does not start here: ${error.message}`;
      }
      throw error;
    }
  };
  const choice = chooser("network for", Object.keys(networks), name, (chosen) => { name = chosen; offer(); });
  element.append(...(still ? [] : [make("div", { class: "controls" }, choice)]), about, begin, told, place);
  offer();
}

async function run(element, place, name, ask, counts) {
  const about = networks[name];
  const state = {
    picture: null, square: null, amplitudes: [0, 0, 0], cover: null, chosen: null, own: false, running: Promise.resolve(),
    asked: 0, arrived: 0, // pictures, counted in the order in which they are asked for
  };
  const canvas = (label, attributes = {}) =>
    make("canvas", { width: SIDE, height: SIDE, role: "img", "aria-label": label, ...attributes });
  const warm = colorOf(getComputedStyle(element).getPropertyValue("--pool"));
  const stage = canvas("the whole picture, and the square that the network gets", { class: "stage" });
  const view = canvas("what the network gets. The arrow keys cover a part of it, Escape uncovers it.",
    { tabindex: "0", role: "application" }); // so that a screen reader leaves it the arrow keys
  const where = canvas("where the evidence lies");
  const evidenceFor = make("span");
  const sideOfFilter = Math.sqrt(about.filters[0].length / 3);
  const aboutFilters = `The filters of the first layer, ${sideOfFilter} x ${sideOfFilter} pixels in color (gray is 0), ${about.first}. \
Below each is what it makes of the picture, from 0, black, to the brightest place of the map:`;
  const answer = make("p", { class: "answer", "aria-live": "polite" });
  const bars = make("div", { class: "bars" });
  const maps = make("div", { class: "maps" });
  const credit = make("p", { class: "credit" });
  const problem = make("p", { class: "problem", role: "alert" });

  /** A picture takes the place of the one before: the largest square in its middle. */
  function show(pixels, own, ...told) {
    const side = Math.min(pixels.width, pixels.height);
    Object.assign(state, { picture: pixels, own, cover: null });
    problem.textContent = "";
    credit.replaceChildren(...told);
    moveTo((pixels.width - side) / 2, (pixels.height - side) / 2, side);
  }

  /** The square, kept within the picture. */
  function moveTo(left, top, side) {
    const { width, height } = state.picture;
    const within = (value, most) => Math.min(Math.max(0, value), most);
    state.square = { left: within(left, width - side), top: within(top, height - side), side };
    size.set(Math.round((100 * side) / Math.min(width, height)));
    const part = (value, room) => (room ? Math.round((100 * value) / room) : 50);
    across.set(part(state.square.left, width - side), { fixed: width === side });
    down.set(part(state.square.top, height - side), { fixed: height === side });
    drawStage(stage, state);
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
    const colors = shrink(state.picture, state.square, SIDE);
    const moved = shift(about.colors, state.amplitudes, "root");
    const planes = new Float32Array(3 * SIDE * SIDE);
    const seen = new Uint8ClampedArray(4 * SIDE * SIDE).fill(255);
    for (let p = 0; p < SIDE * SIDE; p++) {
      const covered = isCovered(state.cover, p);
      for (let c = 0; c < 3; c++) {
        // What is covered has the mean color, which is 0 to the network.
        const value = covered ? 0 : colors[3 * p + c] / 255 - about.mean[c] + moved[c];
        planes[c * SIDE * SIDE + p] = value;
        seen[4 * p + c] = Math.round(255 * (value + about.mean[c]));
      }
    }
    const found = await ask(planes, SIDE, state.chosen);
    if (!stage.isConnected) return; // another network was chosen in the meantime
    const best = found.mean.indexOf(Math.max(...found.mean));
    view.getContext("2d").putImageData(new ImageData(seen, SIDE, SIDE), 0, 0);
    drawHeat(where, seen, found.heat, warm);
    evidenceFor.textContent = `evidence for: ${about.classes[state.chosen ?? best]}`;
    answer.replaceChildren(make("b", {}, about.classes[best]), ` \u2013 ${howSure(about, found.mean[best], state.own)}`);
    bars.replaceChildren(...fiveBest(about.classes, found),
      make("p", {}, `These are the first five of ${about.classes.length}. It took ${found.took.toFixed(0)} ms for the picture and its mirror image.`));
    maps.replaceChildren(...firstLayer(about.filters, found.maps));
    element.asked = { planes: [...planes], logits: found.logits, heat: [...found.heat] }; // for the tests
    element.dataset.runs = Number(element.dataset.runs ?? 0) + 1;
  }

  const offered = [...await (name === "photographs" ? offerPhotographs(about) : offerShapes(about)), offerNoise(about)];
  const pictures = make("div", { class: "pictures" }, ...offered.map(({ label, thumbnail }, i) =>
    make("button", { type: "button", "aria-label": label, onclick: () => openOffered(i) }, thumbnail)));
  /** For a picture that is asked for: says, once it is there, that it may be shown, since no later one is there. */
  function opening() {
    const number = ++state.asked;
    return () => {
      const last = number > state.arrived;
      if (last) state.arrived = number;
      return last;
    };
  }
  async function openOffered(i) {
    const isLast = opening();
    try {
      const opened = await offered[i].open();
      if (!isLast()) return;
      choose(i);
      show(...opened);
    } catch {
      problem.textContent = `The ${offered[i].label} did not arrive.`;
    }
  }
  /** Mark a picture as chosen; none for one of the reader's own. */
  function choose(chosen) {
    [...pictures.children].forEach((button, i) => { button.ariaPressed = String(i === chosen); });
  }
  function showOwn(source, width, height) {
    choose(null);
    show(readPixels(source, width, height), true, "Your picture stays on your machine.");
  }

  async function openFile(file) {
    const isLast = opening();
    try {
      const image = await createImageBitmap(file);
      if (isLast()) showOwn(image, image.width, image.height);
      image.close();
    } catch {
      problem.textContent = "This file is no picture that the browser can read: choose a PNG, JPEG or WebP.";
    }
  }
  const file = make("input", { type: "file", accept: "image/*", onclick: () => { file.value = ""; }, onchange: () => file.files.length && openFile(file.files[0]) });
  const camera = make("button", { type: "button", onclick: () => shoot().catch(() => {
    problem.textContent = "There is no camera, or the browser may not use it.";
  }) }, "Take a picture");
  element.ondragover = (event) => event.preventDefault();
  element.ondrop = (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) openFile(event.dataTransfer.files[0]);
  };

  async function shoot() {
    const stream = await navigator.mediaDevices.getUserMedia({ video: true });
    const isLast = opening();
    try {
      const video = make("video", { autoplay: "", muted: "", playsinline: "" });
      video.srcObject = stream;
      await video.play();
      if (isLast()) showOwn(video, video.videoWidth, video.videoHeight);
    } finally {
      stream.getTracks().forEach((track) => track.stop());
    }
  }

  const percent = { min: 0, max: 100, value: 50, show: (v) => `${v} %` };
  const across = slider("square: across", percent, (v) =>
    moveTo((v / 100) * (state.picture.width - state.square.side), state.square.top, state.square.side));
  const down = slider("square: down", percent, (v) =>
    moveTo(state.square.left, (v / 100) * (state.picture.height - state.square.side), state.square.side));
  const size = slider("square: size", { ...percent, min: 10, value: 100 }, (v) => {
    const { left, top, side } = state.square;
    const now = (v / 100) * Math.min(state.picture.width, state.picture.height);
    moveTo(left + (side - now) / 2, top + (side - now) / 2, now);
  });
  const evidence = chooser("evidence for", ["its answer", ...about.classes], "its answer", (chosen) => {
    state.chosen = chosen === "its answer" ? null : about.classes.indexOf(chosen);
    update();
  });
  dragSquare(stage, state, moveTo);
  coverByHand(view, state, update);

  if (!counts()) return;
  place.replaceChildren(
    make("p", {}, "Choose a picture, or drop one of yours anywhere in this box."), pictures,
    make("div", { class: "controls" }, make("label", {}, make("span", {}, "your own"), file), camera),
    problem,
    make("div", { class: "side-by-side views" },
      make("figure", {}, stage, make("figcaption", {}, "the picture: drag the square")),
      make("figure", {}, view, make("figcaption", {}, "what it gets: cover a part with pointer or finger")),
      make("figure", {}, where, make("figcaption", {}, evidenceFor))),
    credit,
    make("div", { class: "controls" }, across, down, size, evidence),
    answer, bars,
    make("div", { class: "controls" }, ...amplitudes("color shift, ", state, update)),
    make("p", {}, aboutFilters), maps);
  await openOffered(0);
  await state.running;
}

/** The photographs that come with the site. */
function offerPhotographs({ classes }) {
  const none = `It is none of the ${classes.length}: whatever it says is wrong.`;
  return credits.map(({ file, name, shows, author, license, source }) => {
    const thumbnail = make("img", { src: beside(`../pictures/${file}`), alt: "" });
    return {
      label: `photograph of ${name}`,
      thumbnail,
      open: async () => {
        await thumbnail.decode();
        return [readPixels(thumbnail, thumbnail.naturalWidth, thumbnail.naturalHeight), false,
          `${name[0].toUpperCase()}${name.slice(1)}. ${shows ? `Right would be: ${shows}.` : none} Photograph: ${author}, ${license} (`,
          make("a", { href: source }, "source"), ")."];
      },
    };
  });
}

/** Test images of the built-in data set. */
async function offerShapes({ classes }) {
  const sprite = await picture(images);
  return labels.slice(0, SHAPES).map((label, i) => {
    const tile = make("canvas", { width: SIDE, height: SIDE });
    tile.getContext("2d").drawImage(sprite, SIDE * i, 0, SIDE, SIDE, 0, 0, SIDE, SIDE);
    return {
      label: `picture ${i + 1}: ${classes[label]}`,
      thumbnail: tile,
      open: () => [readPixels(tile, SIDE, SIDE), false, `A test image. Right would be: ${classes[label]}.`],
    };
  });
}

function offerNoise({ classes }) {
  const random = noise(SIDE);
  const tile = make("canvas", { width: SIDE, height: SIDE });
  tile.getContext("2d").drawImage(random.canvas, 0, 0);
  return {
    label: "noise",
    thumbnail: tile,
    open: () => [noise(SIDE), false, `Random colors show none of the ${classes.length}: whatever it says is wrong.`],
  };
}

const isCovered = (cover, p) => cover !== null &&
  Math.abs((p % SIDE) + 0.5 - cover.x) < COVER / 2 && Math.abs(Math.floor(p / SIDE) + 0.5 - cover.y) < COVER / 2;

/** What is not in the square is dark. */
function drawStage(stage, { picture: { canvas, width, height }, square: { left, top, side } }) {
  const scale = Math.max(1, 320 / width);
  Object.assign(stage, { width: width * scale, height: height * scale });
  const context = stage.getContext("2d");
  context.imageSmoothingEnabled = width > SIDE;
  context.drawImage(canvas, 0, 0, stage.width, stage.height);
  context.fillStyle = "rgb(0 0 0 / 60%)";
  context.beginPath();
  context.rect(0, 0, stage.width, stage.height);
  context.rect(left * scale, top * scale, side * scale, side * scale);
  context.fill("evenodd");
  context.strokeStyle = "white";
  context.lineWidth = stage.width / 160;
  context.strokeRect(left * scale, top * scale, side * scale, side * scale);
}

function drawHeat(canvas, seen, heat, warm) {
  const pixels = new ImageData(SIDE, SIDE);
  heat.forEach((value, p) => {
    const gray = (seen[4 * p] + seen[4 * p + 1] + seen[4 * p + 2]) / 3;
    for (let c = 0; c < 3; c++) pixels.data[4 * p + c] = gray + 0.85 * value * (warm[c] - gray);
    pixels.data[4 * p + 3] = 255;
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function dragSquare(stage, state, moveTo) {
  const move = (event) => {
    const box = stage.getBoundingClientRect();
    const { side } = state.square;
    moveTo(((event.clientX - box.left) / box.width) * state.picture.width - side / 2,
      ((event.clientY - box.top) / box.height) * state.picture.height - side / 2, side);
  };
  stage.onpointerdown = (event) => {
    stage.setPointerCapture(event.pointerId);
    move(event);
  };
  stage.onpointermove = (event) => stage.hasPointerCapture(event.pointerId) && move(event);
}

function coverByHand(view, state, update) {
  const cover = (place) => {
    state.cover = place;
    update();
  };
  view.onpointermove = (event) => {
    const box = view.getBoundingClientRect();
    cover({ x: ((event.clientX - box.left) / box.width) * SIDE, y: ((event.clientY - box.top) / box.height) * SIDE });
  };
  view.onpointerleave = () => cover(null);
  view.onkeydown = (event) => {
    const steps = { ArrowLeft: [-2, 0], ArrowRight: [2, 0], ArrowUp: [0, -2], ArrowDown: [0, 2] };
    if (event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own, such as Back
    if (event.key === "Escape") cover(null);
    if (!(event.key in steps)) return;
    event.preventDefault(); // the page would scroll
    const { x, y } = state.cover ?? { x: SIDE / 2, y: SIDE / 2 };
    const [right, below] = steps[event.key];
    cover({ x: Math.min(SIDE, Math.max(0, x + right)), y: Math.min(SIDE, Math.max(0, y + below)) });
  };
}

/** What its confidence has been worth on test images. */
function howSure({ sure, test }, probability, own) {
  const percent = (value) => Math.round(100 * value);
  const { above, to, images: count, right } = sure.find((range) => probability <= range.to) ?? sure.at(-1);
  const told = `it is ${percent(probability)} % sure. `;
  if (!count) return `${told}It was never that sure of a test image of ${test}.`;
  const range = `${percent(above)} to ${percent(to)} % sure`;
  const worth = `it was right in ${((100 * right) / count).toFixed(1)} % (${thousands(right)} of ${thousands(count)}).`;
  const after = own ? " Your picture may be unlike all of them." : "";
  return `${told}On test images of ${test} of which it was ${range}, ${worth}${after}`;
}

function fiveBest(classes, { mean, views: [image, mirror] }) {
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  return classes.map((_, c) => c).sort((a, b) => mean[b] - mean[a]).slice(0, 5).map((c) =>
    make("div", { class: "bar" }, make("span", {}, classes[c]),
      make("span", { class: "length" }, make("span", { style: `width: ${100 * mean[c]}%` })),
      make("span", {}, percent(mean[c])),
      make("small", {}, `picture ${percent(image[c])}, mirror image ${percent(mirror[c])}`)));
}

/** Each filter and each map scaled to its own brightest place. */
function firstLayer(filters, { data, dims: [, , height, width] }) {
  return filters.map((filter, channel) => {
    const map = data.slice(channel * height * width, (channel + 1) * height * width);
    const most = Math.max(...map, 1e-9);
    const largest = Math.max(...filter.map(Math.abs));
    const area = filter.length / 3;
    return make("figure", {},
      paint(`filter ${channel + 1}`, Math.sqrt(area), (p) => [0, 1, 2].map((c) => 127.5 * (1 + filter[c * area + p] / largest))),
      paint(`map ${channel + 1}`, width, (p) => Array(3).fill((255 * map[p]) / most)));
  });
}

function paint(label, side, color) {
  const canvas = make("canvas", { width: side, height: side, role: "img", "aria-label": label });
  const pixels = new ImageData(side, side);
  for (let p = 0; p < side * side; p++) pixels.data.set([...color(p), 255], 4 * p);
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}
