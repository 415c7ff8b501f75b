// Tables and outputs that are wider than the page scroll, and the keyboard must reach what scrolls: the
// theme sees to that for code alone.
const reached = new Set();

function reach() {
  for (const element of document.querySelectorAll(".bd-article :is(.cell_output, .output, table, .math)")) {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
    if (scrolls && element.scrollWidth > element.clientWidth) {
      element.tabIndex = 0;
      reached.add(element);
    } else if (reached.delete(element)) {
      element.removeAttribute("tabindex");
    }
  }
}

for (const when of ["load", "resize"]) addEventListener(when, reach);
// What was folded away had no width.
addEventListener("toggle", reach, true);
// Formulas are set after the page is loaded.
addEventListener("load", () => window.MathJax?.startup?.promise?.then(reach));
