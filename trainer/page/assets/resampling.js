/** Pictures of any size made as large as those of the data set, in the way that trainer/evaluation/pictures.py does. */
(function () {
  'use strict';

  const explore = window.explore;
  const LOBES = 3; // Of Lanczos's filter.
  const LUMA = [19595, 38470, 7471]; // ITU-R BT.601, as Pillow has it, in 65536ths.

  /**
   * Crops to the central square and resamples by Lanczos's filter, as Pillow's ImageOps.fit.
   * @param {ImageData} picture without transparency
   * @param {number} side of the result, px
   * @param {number} channels of the data set; 1 makes it grey
   * @returns {ImageData} [side, side]
   */
  explore.fitted = function (picture, side, channels) {
    const width = picture.width;
    const height = picture.height;
    const square = Math.min(width, height);
    let rgb = new Uint8ClampedArray(3 * width * height);
    for (let i = 0; i < width * height; i += 1) {
      for (let c = 0; c < 3; c += 1) rgb[3 * i + c] = picture.data[4 * i + c];
      if (channels === 1) {
        const grey = LUMA[0] * rgb[3 * i] + LUMA[1] * rgb[3 * i + 1] + LUMA[2] * rgb[3 * i + 2] + 32768 >> 16;
        rgb.fill(grey, 3 * i, 3 * i + 3);
      }
    }
    if (width !== side || height !== side) {
      rgb = alongRows(rgb, width, height, (width - square) / 2, square, side);
      rgb = turned(alongRows(turned(rgb, side, height), height, side, (height - square) / 2, square, side), side, side);
    }
    const made = new ImageData(side, side);
    made.data.fill(255);
    for (let i = 0; i < side * side; i += 1) {
      for (let c = 0; c < 3; c += 1) made.data[4 * i + c] = rgb[3 * i + c];
    }
    return made;
  };

  /**
   * Bilinear, with the centres of pixels at their halves, as TensorFlow's tf.image.resize.
   * @param {ImageData} picture square
   * @param {number} side of the result, px
   * @param {function(number, number, number, number)} put gets row, column, channel and value
   */
  explore.bilinear = function (picture, side, put) {
    const ways = Array.from({length: side}, function (_, i) {
      const at = (i + 0.5) * picture.width / side - 0.5;
      const low = Math.floor(at);
      return {low: Math.max(low, 0), high: Math.min(low + 1, picture.width - 1), part: at - low};
    });
    const value = function (y, x, c) { return picture.data[4 * (y * picture.width + x) + c]; };
    ways.forEach(function (v, row) {
      ways.forEach(function (h, column) {
        for (let c = 0; c < 3; c += 1) {
          const above = value(v.low, h.low, c) + (value(v.low, h.high, c) - value(v.low, h.low, c)) * h.part;
          const below = value(v.high, h.low, c) + (value(v.high, h.high, c) - value(v.high, h.low, c)) * h.part;
          put(row, column, c, above + (below - above) * v.part);
        }
      });
    });
  };

  /** Resamples each row of [height, width, 3] from `begin` on for `length` pixels to `side` pixels. */
  function alongRows(rgb, width, height, begin, length, side) {
    const made = new Uint8ClampedArray(3 * side * height);
    const scale = length / side;
    const reach = LOBES * Math.max(scale, 1);
    for (let x = 0; x < side; x += 1) {
      const centre = begin + (x + 0.5) * scale;
      const first = Math.max(0, Math.floor(centre - reach + 0.5));
      const last = Math.min(width, Math.floor(centre + reach + 0.5));
      const weights = Array.from({length: last - first}, function (_, i) {
        return lanczos((first + i - centre + 0.5) / Math.max(scale, 1));
      });
      const whole = weights.reduce(function (sum, weight) { return sum + weight; }, 0);
      for (let y = 0; y < height; y += 1) {
        for (let c = 0; c < 3; c += 1) {
          let sum = 0;
          for (let i = 0; i < weights.length; i += 1) sum += weights[i] * rgb[3 * (y * width + first + i) + c];
          made[3 * (y * side + x) + c] = sum / whole;
        }
      }
    }
    return made;
  }

  /** [height, width, 3] -> [width, height, 3]. */
  function turned(rgb, width, height) {
    const made = new Uint8ClampedArray(rgb.length);
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        for (let c = 0; c < 3; c += 1) made[3 * (x * height + y) + c] = rgb[3 * (y * width + x) + c];
      }
    }
    return made;
  }

  function lanczos(x) {
    if (x === 0) return 1;
    if (Math.abs(x) >= LOBES) return 0;
    const angle = Math.PI * x;
    return LOBES * Math.sin(angle) * Math.sin(angle / LOBES) / (angle * angle);
  }
})();
