// The arithmetic of vgglib.trace for stacks of convolutions with stride 1, each followed by a 2x2 pool.

/**
 * Reads "64 64 | 128 128 | 256 256 256/1": stacks between bars, channels of each convolution, and
 * its kernel after a slash if it is not 3.
 */
export function readStacks(text) {
  return text.split("|").map((stack, i) => {
    const layers = stack.trim().split(/\s+/).filter(Boolean);
    if (!layers.length) throw new Error(`stack ${i + 1} is empty: write channels, such as 64 64`);
    return layers.map((layer) => {
      const [, channels, kernel = "3"] = /^(\d+)(?:\/(\d+))?$/.exec(layer) ?? [];
      if (!(channels >= 1 && channels <= 4096)) {
        throw new Error(`stack ${i + 1}: "${layer}" is no layer: write channels from 1 to 4096`);
      }
      if (kernel % 2 === 0 || kernel > 11) {
        throw new Error(`stack ${i + 1}: a kernel of ${kernel} is not odd or above 11`);
      }
      return { channels: Number(channels), kernel: Number(kernel) };
    });
  });
}

/** Reads "4096 4096 1000": features of the fully connected layers. */
export function readConnected(text) {
  const features = text.trim().split(/\s+/).filter(Boolean).map(Number);
  if (!features.length || !features.every((n) => Number.isInteger(n) && n >= 1 && n <= 100000)) {
    throw new Error("fully connected layers: write numbers, such as 4096 4096 1000");
  }
  return features;
}

/** Stacks in the notation that readStacks reads. */
export const writeStacks = (stacks) => stacks
  .map((stack) => stack.map((l) => (l.kernel === 3 ? l.channels : `${l.channels}/${l.kernel}`)).join(" "))
  .join(" | ");

/** A row for each layer, as vgglib.trace gives it: kind, shape, parameters, multiplyAdds, field. */
export function trace({ stacks, connected, image }) {
  const rows = [];
  let [channels, side, field, jump] = [3, image, 1, 1];
  for (const [i, stack] of stacks.entries()) {
    for (const layer of stack) {
      const weights = layer.kernel ** 2 * channels * layer.channels;
      field += (layer.kernel - 1) * jump;
      channels = layer.channels;
      rows.push({
        kind: `conv${layer.kernel}-${channels}`, shape: [channels, side, side], field,
        parameters: weights + channels, multiplyAdds: weights * side * side,
      });
    }
    side = Math.floor(side / 2);
    if (!side) throw new Error(`stack ${i + 1}: nothing is left of an image of ${image} px after its pool`);
    field += jump;
    jump *= 2;
    rows.push({ kind: "maxpool", shape: [channels, side, side], field, parameters: 0, multiplyAdds: 0 });
  }
  let features = channels * side * side;
  for (const next of connected) {
    rows.push({
      kind: `FC-${next}`, shape: [next], field: null,
      parameters: features * next + next, multiplyAdds: features * next,
    });
    features = next;
  }
  return rows;
}

/** Sums over all layers. */
export const total = (rows, key) => rows.reduce((sum, row) => sum + row[key], 0);
