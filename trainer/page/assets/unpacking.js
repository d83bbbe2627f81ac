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

  /**
   * @param {{bytes: string}} packed a network
   * @returns {function(Object): Object<string, Float32Array>} the arrays of one of its operations
   */
  explore.arraysOf = function (packed) {
    const buffer = explore.bytesOf(packed.bytes).buffer;
    return function (operation) {
      const arrays = {};
      Object.keys(operation.arrays).forEach(function (name) {
        arrays[name] = decode(buffer, operation.arrays[name], operation.kind);
      });
      return arrays;
    };
  };

  /** @returns {Float32Array} of half-precision numbers */
  explore.halves = function (bits) {
    const made = new Float32Array(bits.length);
    for (let i = 0; i < bits.length; i += 1) made[i] = half(bits[i]);
    return made;
  };

  function decode(buffer, entry, kind) {
    const size = entry.shape.reduce(function (product, side) { return product * side; }, 1);
    if (entry.type === 'f4') return new Float32Array(buffer, entry.at, size);
    if (entry.type === 'f2') return explore.halves(new Uint16Array(buffer, entry.at, size));
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
