// Accuracy against computation: every training of the book as a point, and others' as stars.

import { chart, whenResized } from "./chart.js";
import { chooser, draw, folded, make, table } from "./dom.js";
import palette from "./palette.json";
import { own, others, address } from "./trainings.json";

const MARKS = {
  I: "M-4.5,0a4.5,4.5 0 1,0 9,0a4.5,4.5 0 1,0 -9,0",
  II: "M-4,-4h8v8h-8z",
  III: "M0,-5.5L5.5,4.5H-5.5z",
  slim: "M0,-6L5.5,0L0,6L-5.5,0z",
  wide: "M-2,-6h4v4h4v4h-4v4h-4v-4h-4v-4h4z",
  others: "M0,-7L2,-2L7,-2L3,1.5L4.5,6.5L0,3.5L-4.5,6.5L-3,1.5L-7,-2L-2,-2z",
};

export function start(element) {
  const sets = [...new Set(own.map((t) => t.data))];
  const state = { data: sets[0], series: "all" };
  const drawing = make("div", { class: "drawing" });
  const told = make("p", { "aria-live": "polite" });
  const rows = folded("As a table");
  const series = make("div");
  let width = 0;

  function show() {
    const shown = own.filter((t) => t.data === state.data && ["all", t.series].includes(state.series));
    const stars = state.data === "cifar10" ? others : [];
    told.textContent = `${shown.length} trainings of this book. Point at one, or go through them with the arrow keys.`;
    if (width) drawing.replaceChildren(points(shown, stars, width, told));
    rows.set(asTable(shown, stars));
    element.dataset.shown = shown.length;
  }

  function offer() {
    const there = new Set(own.filter((t) => t.data === state.data).map((t) => t.series));
    state.series = "all";
    series.replaceChildren(chooser("recipes", ["all", ...there], "all", (name) => { state.series = name; show(); }));
  }

  element.replaceChildren(
    make("div", { class: "controls" },
      chooser("data", sets, state.data, (name) => { state.data = name; offer(); show(); }), series),
    legend(), drawing, told, rows);
  offer();
  show();
  whenResized(drawing, (pixels) => { width = pixels; show(); });
}

const color = (network) => palette.networks[network] ?? "var(--pst-color-text-base)";

const mark = (network, attributes = {}) => draw("path", {
  d: MARKS[network] ?? MARKS.others, fill: color(network), ...attributes,
});

function legend() {
  const item = (name, text) => make("span", {},
    draw("svg", { viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true" }, mark(name)), text);
  return make("p", { class: "legend" },
    ...Object.keys(palette.networks).map((name) => item(name, name)), item("others", "others' records"));
}

function points(shown, stars, width, told) {
  const all = [...shown, ...stars].sort((a, b) => a.pflop - b.pflop);
  const [costs, accuracies] = [all.map((t) => t.pflop), all.map((t) => t.top1)];
  const space = (Math.max(...accuracies) - Math.min(...accuracies)) * 0.08 + 0.2;
  const { svg, x, y } = chart({
    width, height: Math.round(Math.min(420, Math.max(300, width * 0.6))),
    x: { from: Math.min(...costs) / 1.3, to: Math.max(...costs) * 1.3, log: true, label: "PFLOP of the training" },
    y: { from: Math.min(...accuracies) - space, to: Math.min(100, Math.max(...accuracies) + space), label: "test top-1, percent" },
    label: "Test accuracy of each training against its computation",
  });
  for (const training of all) {
    const text = inWords(training);
    const say = () => { told.textContent = text; };
    svg.append(draw("a", {
      href: training.file ? `${address}/blob/main/results/${encodeURIComponent(training.file)}` : "https://github.com/KellerJordan/cifar10-airbench",
      "aria-label": text, onfocus: say, onmouseenter: say,
    }, draw("title", {}, text), mark(training.network, { transform: `translate(${x(training.pflop)} ${y(training.top1)})` })));
  }
  goByArrows([...svg.querySelectorAll("a")]);
  return svg;
}

/** One of many links is a stop of the tab key, and the arrow keys go from there to the others. */
function goByArrows(links) {
  const stop = (at) => links.forEach((link, i) => link.setAttribute("tabindex", i === at ? 0 : -1));
  links.forEach((link, at) => {
    link.addEventListener("focus", () => stop(at));
    link.addEventListener("keydown", (event) => {
      const last = links.length - 1;
      const places = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: last };
      if (!(event.key in places) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault(); // the page would scroll
      links[Math.min(last, Math.max(0, places[event.key]))].focus();
    });
  });
  stop(0);
}

function inWords(t) {
  const what = t.name ? `${t.name}, of others` : `${t.network} by ${t.recipe}, seed ${t.seed}, ${t.epochs} epochs`;
  return `${what}: ${t.top1.toFixed(2)} % for ${t.pflop} PFLOP`;
}

/** A row for each network and recipe, the mean over its seeds. */
function asTable(shown, stars) {
  const groups = new Map();
  for (const t of shown) groups.set(key(t), [...(groups.get(key(t)) ?? []), t]);
  const mean = (group, name) => group.reduce((sum, t) => sum + t[name], 0) / group.length;
  return table(["training", "seeds", "test top-1, %", "PFLOP"], [
    ...[...groups].map(([name, group]) => [
      name, String(group.length), mean(group, "top1").toFixed(2), String(Number(mean(group, "pflop").toPrecision(3)))]),
    ...stars.map((t) => [`${t.name} (others)`, "", t.top1.toFixed(2), String(t.pflop)]),
  ]);
}

const key = (t) => `${t.network}, ${t.recipe}, ${t.epochs} epochs`;
