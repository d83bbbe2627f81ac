/** Finds the training images and samples that are most like a picture, by the network that compared them. */
(function () {
  'use strict';

  const explore = window.explore;
  let making = null;

  /** @returns {boolean} whether pictures can be compared, here or by a server */
  explore.findsHere = function () {
    return explore.data.start.live.finds || Boolean(explore.data.start.live.predict);
  };

  /**
   * @param {ImageData} picture as large as those of the data set
   * @param {number} count of neighbours
   * @returns {Promise<{images: Array<Object>, samples: Array<Object>}>} their index and cosine, nearest first
   */
  explore.find = function (picture, count) {
    if (!making) making = explore.load('finder').then(make);
    return making.then(function (finder) {
      const begun = performance.now();
      const vector = embedded(finder, picture);
      const found = {images: nearest(finder.images, vector, count), samples: nearest(finder.samples, vector, count)};
      performance.measure('find', {start: begun}); // The benchmark reads it.
      return found;
    });
  };

  function make(data) {
    return Promise.all([
      explore.makeNetwork(data.network, explore.wasmAllowed()), explore.inflate(data.images.whole),
      explore.inflate(data.samples.whole), data.axes ? explore.inflate(data.axes.whole) : null,
    ]).then(function (ready) {
      return {
        network: ready[0], mean: data.mean, side: data.network.inputs[0][0], centre: floats(data.centre),
        axes: data.axes && rows(ready[3], data.axes, null), length: data.length, images: rows(ready[1], data.images, data.numbers),
        samples: rows(ready[2], data.samples, null),
      };
    });
  }

  function rows(buffer, packed, numbers) {
    return {whole: new Int8Array(buffer), factors: floats(packed.factors), numbers: numbers};
  }

  function floats(text) {
    return new Float32Array(explore.bytesOf(text).buffer);
  }

  /** The picture's features, centred, of length 1, and projected where the page keeps fewer numbers. */
  function embedded(finder, picture) {
    const side = finder.side;
    const input = new Float32Array(3 * side * side);
    explore.bilinear(picture, side, function (row, column, c, value) {
      input[3 * (row * side + column) + 2 - c] = value - finder.mean[2 - c]; // Blue comes first.
    });
    const centred = finder.network.run(input).map(function (value, i) { return value - finder.centre[i]; });
    const length = Math.sqrt(centred.reduce(function (sum, value) { return sum + value * value; }, 0)) || 1;
    const unit = centred.map(function (value) { return value / length; });
    if (!finder.axes) return unit;
    return products(finder.axes, unit);
  }

  /** The product of a vector with each of the kept ones. */
  function products(kept, vector) {
    const size = kept.factors.length;
    const sums = new Float32Array(size);
    vector.forEach(function (value, k) {
      for (let i = 0; i < size; i += 1) sums[i] += value * kept.whole[k * size + i];
    });
    return sums.map(function (sum, i) { return sum * kept.factors[i]; });
  }

  function nearest(kept, vector, count) {
    const order = Array.from(products(kept, vector), function (product, i) {
      return {index: i, cosine: Math.min(1, product)};
    });
    order.sort(function (a, b) { return b.cosine - a.cosine || a.index - b.index; });
    return order.slice(0, count).map(function (entry) {
      return {index: kept.numbers ? kept.numbers[entry.index] : entry.index, cosine: entry.cosine};
    });
  }
})();
