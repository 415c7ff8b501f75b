// Squares out of pictures, as small as a network wants them.

const LARGEST = 512;

/** The pixels of anything that can be drawn, on white; longer sides than LARGEST are shortened. */
export function readPixels(source, width, height) {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
  const canvas = make2d(w, h);
  canvas.fillStyle = "white"; // shows through where the picture is transparent, as in training
  canvas.fillRect(0, 0, w, h);
  canvas.imageSmoothingQuality = "high";
  canvas.drawImage(source, 0, 0, w, h);
  return { canvas: canvas.canvas, width: w, height: h, data: canvas.getImageData(0, 0, w, h).data };
}

/** A picture of random colors. */
export function noise(side) {
  const context = make2d(side, side);
  const pixels = context.createImageData(side, side);
  for (let i = 0; i < pixels.data.length; i++) pixels.data[i] = i % 4 === 3 ? 255 : Math.floor(256 * Math.random());
  context.putImageData(pixels, 0, 0);
  return { canvas: context.canvas, width: side, height: side, data: pixels.data };
}

/** Red, green and blue, 0 to 255, of a color as style sheets write it. */
export function colorOf(text) {
  const context = make2d(1, 1);
  context.fillStyle = text.trim();
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

function make2d(width, height) {
  return new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
}

/**
 * A square of a picture in size x size pixels: red, green, blue, 0 to 255, pixel after pixel. Each is the mean of the
 * area that it covers, also where that is a part of a pixel; browsers differ in how they make a picture smaller.
 */
export function shrink({ data, width, height }, { left, top, side }, size) {
  const columns = weights(left, side, size, width);
  const rows = weights(top, side, size, height);
  const values = new Float32Array(3 * size * size);
  rows.forEach((row, y) => columns.forEach((column, x) => {
    const at = 3 * (y * size + x);
    for (const [r, down] of row) {
      for (const [c, across] of column) {
        for (let k = 0; k < 3; k++) values[at + k] += down * across * data[4 * (r * width + c) + k];
      }
    }
  }));
  return values;
}

/** For each of `size` equal parts of a length: the pixels that it touches, each with its share. */
function weights(start, length, size, end) {
  const step = length / size;
  return Array.from({ length: size }, (_, i) => {
    const [from, to] = [start + i * step, start + (i + 1) * step];
    const touched = [];
    for (let p = Math.floor(from); p < to && p < end; p++) {
      const part = Math.min(to, p + 1) - Math.max(from, p);
      if (part > 1e-9) touched.push([p, part / step]);
    }
    return touched;
  });
}
