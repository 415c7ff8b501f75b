// Two trainings, epoch by epoch: what they got right on the validation images, and their learning rates.

import { chart, whenResized } from "./chart.js";
import { chooser, draw, make, slider } from "./dom.js";
import palette from "./palette.json";
import { own } from "./trainings.json";

const PAUSE = 350; // milliseconds between two epochs of a replay

export function start(element) {
  // Those that held no images out have nothing to show.
  const runs = own.filter((t) => t.data === "cifar10" && t.accuracies[0] !== null);
  const names = runs.map((t) => `${t.network}, ${t.recipe}, seed ${t.seed}`);
  const byName = (name) => runs[names.indexOf(name)];
  const first = Math.max(0, runs.findIndex((t) => t.recipe === "classic"));
  const state = { pair: [names[first], names[first + 1] ?? names[first]], epoch: 0 };
  const drawing = make("div", { class: "drawing" });
  const said = make("ul", { class: "pair" });
  const epochs = make("div");
  let [width, timer, at] = [0, 0, null];

  const pair = () => state.pair.map(byName);
  const last = () => Math.max(...pair().map((t) => t.accuracies.length));

  function show() {
    if (width) drawing.replaceChildren(...curves(pair(), state.epoch, last(), width));
    said.replaceChildren(...pair().map((t, i) => make("li", { style: `--mark: ${palette.pair[i]}` }, inWords(t, state.epoch))));
    element.dataset.epoch = state.epoch;
  }

  /** A slider as long as the longer training, at its end. */
  function begin() {
    at = slider("epoch", { min: 1, max: last(), value: last() },
      (n) => { stop(); state.epoch = n; show(); });
    epochs.replaceChildren(at);
    goTo(last());
  }

  function goTo(epoch) {
    state.epoch = epoch;
    at.set(epoch);
    show();
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    button.textContent = "Replay";
  }

  function replay() {
    if (timer) return stop();
    goTo(1);
    button.textContent = "Stop";
    timer = setInterval(() => (state.epoch < last() ? goTo(state.epoch + 1) : stop()), PAUSE);
  }

  const button = make("button", { type: "button", onclick: replay }, "Replay");
  const choose = (i) => chooser(i ? "second training" : "first training", names, state.pair[i],
    (name) => { stop(); state.pair[i] = name; begin(); });
  element.replaceChildren(
    make("div", { class: "controls" }, choose(0), choose(1), epochs, button), drawing, said);
  begin();
  whenResized(drawing, (pixels) => { width = pixels; show(); });
}

function curves(pair, epoch, last, width) {
  const accuracies = pair.flatMap((t) => t.accuracies);
  const rates = pair.flatMap((t) => t.rates).filter((rate) => rate > 0);
  const x = { from: 1, to: Math.max(2, last), label: "epoch" };
  const lowest = Math.floor(Math.min(...accuracies) / 5) * 5;
  const panels = [
    ["accuracies", Math.round(Math.max(230, width * 0.45)), {
      // Networks that learned nothing have a single accuracy.
      from: lowest, to: Math.max(lowest + 5, Math.ceil(Math.max(...accuracies) / 5) * 5),
      label: "validation top-1, %",
    }],
    ["rates", Math.round(Math.max(170, width * 0.26)), {
      from: Math.min(...rates) / 1.5, to: Math.max(...rates) * 1.5, log: true, label: "learning rate",
    }],
  ];
  return panels.map(([name, height, y]) => {
    const place = chart({ width, height, x, y, label: `${y.label} by epoch` });
    pair.forEach((t, i) => {
      const shown = t[name].slice(0, epoch);
      const at = (value, n) => `${place.x(n + 1).toFixed(1)},${place.y(Math.max(value, y.from)).toFixed(1)}`;
      const style = { stroke: palette.pair[i], ...(i && { "stroke-dasharray": "7 4" }) };
      for (const drop of t.drops.filter((n) => n <= epoch)) {
        place.svg.append(draw("line", {
          class: "drop", stroke: palette.pair[i],
          x1: place.x(drop), x2: place.x(drop), y1: place.y(y.to), y2: place.y(y.from),
        }));
      }
      place.svg.append(draw("polyline", { class: "curve", ...style, points: shown.map(at).join(" ") }));
    });
    return place.svg;
  });
}

function inWords(t, epoch) {
  const n = Math.min(epoch, t.accuracies.length);
  const fell = t.drops.filter((drop) => drop <= n);
  const when = fell.length ? `; the rate fell before epoch ${fell.join(" and ")}` : "";
  return `${t.network}, ${t.recipe}, seed ${t.seed}: epoch ${n} of ${t.accuracies.length}, `
    + `${t.accuracies[n - 1].toFixed(2)} %, rate ${Number(t.rates[n - 1].toPrecision(3))}${when}.`;
}
