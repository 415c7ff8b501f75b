// Brings the figures of a page to life: each element with data-figure gets the module of that name.
// Without scripts the picture inside it stays.

for (const element of document.querySelectorAll("[data-figure]")) {
  const name = element.dataset.figure;
  try {
    const { start } = await import(`./${name}.js`);
    await start(element);
    element.dataset.ready = "yes";
  } catch (error) {
    console.error(`figure ${name}:`, error);
  }
}
