/** Bytes and weights out of the data scripts. */
(function () {
  'use strict';

  const explore = window.explore;

  /** @returns {Uint8Array} the bytes of a base64 text */
  explore.bytesOf = function (text) {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = letters.charCodeAt(i);
    return bytes;
  };

  /** @returns {Promise<ArrayBuffer>} what zlib has deflated */
  explore.inflate = function (text) {
    if (!window.DecompressionStream) {
      return Promise.reject(new Error('this browser cannot unpack it, because it is from before 2023'));
    }
    const packed = new Blob([explore.bytesOf(text)]).stream();
    return new Response(packed.pipeThrough(new DecompressionStream('deflate'))).arrayBuffer();
  };

  /**
   * Inflates the neighbours that trainer/page/packing.py has deflated, once, for `explore.neighbours`.
   * @param {Array<Object>} layers
   * @returns {Promise}
   */
  explore.inflateLayers = function (layers) {
    return Promise.all(layers.filter(function (layer) { return layer.deflated; }).map(function (layer) {
      const text = layer.deflated;
      return explore.inflate(text).then(function (buffer) {
        if (layer.deflated) spread(layer, new Uint8Array(buffer));
        layer.deflated = '';
      });
    }));
  };

  /** Puts the bytes of each number side by side, and adds the steps of the cosines up. */
  function spread(layer, bytes) {
    const count = layer.count;
    const size = bytes.length / (layer.width + 1);
    const indices = new Uint8Array(layer.width * size);
    for (let plane = 0; plane < layer.width; plane += 1) {
      for (let i = 0; i < size; i += 1) indices[layer.width * i + plane] = bytes[plane * size + i];
    }
    const cosines = new Int8Array(size);
    const rows = size / count;
    for (let k = 0; k < count; k += 1) {
      for (let row = 0; row < rows; row += 1) {
        const at = row * count + k;
        cosines[at] = (k ? cosines[at - 1] : 0) + bytes[layer.width * size + k * rows + row]; // Wraps, as the steps do.
      }
    }
    layer.indices = indices.buffer;
    layer.cosines = cosines;
  }

  /**
   * @param {ArrayBuffer} buffer the bytes of a network
   * @returns {function(Object): Object<string, Float32Array>} the arrays of one of its operations
   */
  explore.arraysIn = function (buffer) {
    return function (operation) {
      const arrays = {};
      Object.keys(operation.arrays).forEach(function (name) {
        arrays[name] = decode(buffer, operation.arrays[name], operation.kind);
      });
      return arrays;
    };
  };

  function decode(buffer, entry, kind) {
    const size = entry.shape.reduce(function (product, side) { return product * side; }, 1);
    if (entry.type === 'f4') return new Float32Array(buffer, entry.at, size);
    if (entry.type === 'f2') {
      const upper = new Uint8Array(buffer, entry.at, size);
      const lower = new Uint8Array(buffer, entry.at + size, size);
      return Float32Array.from(upper, function (byte, i) { return half(byte << 8 | lower[i]); });
    }
    const whole = new Int8Array(buffer, entry.at, size);
    // A transposed convolution counts its output's channels on the last axis but one, all others on the last.
    const inner = kind === 'deconv' ? entry.shape[3] : 1;
    const outputs = entry.shape[kind === 'deconv' ? 2 : entry.shape.length - 1];
    const factors = new Float32Array(buffer, entry.factors, outputs);
    return Float32Array.from(whole, function (value, i) { return value * factors[Math.floor(i / inner) % outputs]; });
  }

  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = bits >> 10 & 0x1f;
    const rest = bits & 0x3ff;
    if (exponent === 0) return sign * rest * Math.pow(2, -24);
    return sign * (1 + rest / 1024) * Math.pow(2, exponent - 15);
  }
})();
