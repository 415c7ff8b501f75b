// Brings the figures of a page to life: each element with data-figure gets the module of that name.
// Without scripts the picture inside it stays.

import * as color_shift from "./color_shift.js";
import * as configurations from "./configurations.js";
import * as receptive_field from "./receptive_field.js";
import * as replay from "./replay.js";
import * as top_k from "./top_k.js";
import * as trainings from "./trainings.js";
import * as try_it from "./try_it.js";

const FIGURES = { color_shift, configurations, receptive_field, replay, top_k, trainings, try_it };

async function start(element) {
  const name = element.dataset.figure;
  try {
    await FIGURES[name].start(element);
    element.dataset.ready = "yes";
  } catch (error) {
    console.error(`figure ${name}:`, error);
  }
}

document.querySelectorAll("[data-figure]").forEach(start);
