// Small helpers to make elements, controls and drawings.

/** An element: make("p", {class: "note"}, "text", other). Attributes beginning with "on" listen. */
export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same within a drawing. */
export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * A slider with its label and its value. Calls `change` with the number; `set` of the label moves it without, fixes it,
 * or tells another value.
 */
export function slider(text, { min, max, step = 1, value, show = String }, change) {
  const output = make("output", {}, show(value));
  const input = make("input", {
    type: "range", min, max, step, value,
    oninput: () => {
      output.textContent = show(Number(input.value));
      change(Number(input.value));
    },
  });
  const label = make("label", {}, make("span", {}, text), input, output);
  label.set = (number, { fixed = false, told = show(number) } = {}) => {
    input.value = number;
    input.disabled = fixed;
    output.textContent = told;
  };
  return label;
}

/** A list to choose from. Calls `change` with the chosen value; `set` of the label chooses without. */
export function chooser(text, values, chosen, change) {
  const select = make("select", { onchange: () => change(select.value) });
  for (const value of values) {
    select.append(make("option", { value, ...(value === chosen && { selected: "" }) }, value));
  }
  const label = make("label", {}, make("span", {}, text), select);
  label.set = (value) => { select.value = value; };
  return label;
}

/** What is folded away under a name. `set` of it changes what is in it, and it stays as open as it is. */
export function folded(name) {
  const details = make("details", {}, make("summary", {}, name));
  details.set = (...content) => details.replaceChildren(details.firstChild, ...content);
  return details;
}

/** A table; the cells of the first column are names, the others numbers. */
export function table(header, rows) {
  const cells = (kind, row) => row.map((cell, i) =>
    make(i && kind === "td" ? "td" : "th", { scope: kind === "th" ? "col" : i ? undefined : "row" }, cell));
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table" },
    make("table", {},
      make("thead", {}, make("tr", {}, ...cells("th", header))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells("td", row))))));
}

/** 138357544 as "138,357,544". */
export const thousands = (number) => number.toLocaleString("en-US");

/** A picture, once it is there. */
export async function picture(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return image;
}
