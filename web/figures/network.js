// A trained network, run by ONNX Runtime in the browser. Nothing is sent anywhere.

/** Where this script is, and beside it the networks and the program that runs them. */
const HERE = document.currentScript.src;
let runtime;

/** The address of a file beside the scripts. */
export const beside = (name) => new URL(name, HERE).href;

/** Whether the program that runs networks has arrived, so that only they are still to be loaded. */
export const programIsHere = () => Boolean(runtime?.env.wasm.wasmBinary);

/** Load a network that networks.json describes. Calls `told` with the part that has arrived, 0 to 1. */
export async function load(about, told) {
  runtime ??= await import(beside("onnxruntime/ort.wasm.bundle.min.mjs"));
  runtime.env.wasm.numThreads = 1; // more need headers that a static server does not send
  // Its own download would fail for good if it failed once.
  runtime.env.wasm.wasmBinary ??= await download("onnxruntime/ort-wasm-simd-threaded.wasm");
  const network = await download(about.file, (bytes) => told(Math.min(1, bytes / about.bytes)));
  const session = await runtime.InferenceSession.create(network);
  const classes = about.classes.length;

  /**
   * Ask about a picture of side x side, preprocessed: a plane for each color. Its mirror image is asked about as well.
   * The evidence is for the class `chosen`, or for the most probable one if that is null.
   */
  return async function ask(planes, side, chosen) {
    const values = new Float32Array(2 * planes.length);
    values.set(planes);
    planes.forEach((value, p) => { values[planes.length + p - (p % side) + (side - 1 - (p % side))] = value; });
    const wanted = new Float32Array(classes);
    if (chosen !== null) wanted[chosen] = 1;
    const began = performance.now();
    const { logits, maps, evidence } = await session.run({
      images: new runtime.Tensor("float32", values, [2, 3, side, side]),
      chosen: new runtime.Tensor("float32", wanted, [1, classes]),
    });
    const took = performance.now() - began;
    const views = [logits.data.slice(0, classes), logits.data.slice(classes)].map(softmax);
    return {
      logits: [...logits.data],
      views,
      mean: views[0].map((value, c) => (value + views[1][c]) / 2),
      maps,
      heat: heat(evidence, side),
      took,
    };
  };
}

async function download(file, told = () => {}) {
  const answer = await fetch(beside(file));
  if (!answer.ok) throw new Error(`the server has no ${file} (${answer.status})`);
  const parts = [];
  let arrived = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    arrived += value.length;
    told(arrived);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = [...logits].map((value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((value) => value / sum);
}

/** Grad-CAM of the picture, without its mirror image: what speaks for the class, enlarged, 1 where it is strongest. */
function heat({ data, dims: [, height, width] }, side) {
  const at = (position, length) => {
    const place = Math.min(length - 1, Math.max(0, ((position + 0.5) * length) / side - 0.5));
    const low = Math.min(length - 2, Math.floor(place));
    return [low, place - low];
  };
  const positive = data.slice(0, height * width).map((value) => Math.max(0, value));
  const large = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [[r, down], [c, across]] = [at(y, height), at(x, width)];
      const row = (i) => (1 - across) * positive[i * width + c] + across * positive[i * width + c + 1];
      large[y * side + x] = (1 - down) * row(r) + down * row(r + 1);
    }
  }
  const most = large.reduce((a, b) => Math.max(a, b), 0);
  return most ? large.map((value) => value / most) : large;
}
