/**
 * The inner loop of all layers: a product of a few rows of pixels and a block of weights, in WebAssembly's SIMD, or in
 * plain JavaScript where that is refused. The bytes of the module are put together here, so there is nothing to fetch.
 *
 * One call computes `pixels` x `channels` numbers of the output:
 *   out[p][n] = bias[n] + sum over rows r and depths d of in[p][r][d] * weights[r][d][n]
 */
(function () {
  'use strict';

  const explore = window.explore;
  const SHAPES = [[4, 8], [4, 4], [1, 8], [1, 4]]; // Of one call: pixels, channels.
  const LANES = 4;
  const STEP = 4; // Depths in one turn of the inner loop.
  const PARAMETERS = ['out', 'outStep', 'from', 'fromStep', 'rowStride', 'rows', 'depth', 'weights', 'bias'];
  const I32 = 0x7f;
  const V128 = 0x7b;

  /**
   * @param {number} bytes of memory that will be used
   * @param {boolean} allowed whether WebAssembly may be used
   * @returns {{heap: Float32Array, wasm: boolean, call: Object<string, function(...number)>}} call['4x8'] takes
   *   PARAMETERS: addresses and steps in bytes, rows and depth as numbers, the depth a multiple of 4.
   */
  explore.makeKernel = function (bytes, allowed) {
    if (allowed) {
      try {
        return inWasm(bytes);
      } catch (error) { /* Refused by the browser, or by the page's security policy. */ }
    }
    const heap = new Float32Array(Math.ceil(bytes / 4));
    const call = {};
    SHAPES.forEach(function (shape) { call[shape.join('x')] = inScript(heap, shape[0], shape[1]); });
    return {heap: heap, wasm: false, call: call};
  };

  function inWasm(bytes) {
    const memory = new WebAssembly.Memory({initial: Math.ceil(bytes / 65536)});
    const fused = assemble(true);
    const code = WebAssembly.validate(fused) ? fused : assemble(false);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(code), {m: {m: memory}});
    return {heap: new Float32Array(memory.buffer), wasm: true, call: instance.exports};
  }

  /** The same in JavaScript: four channels of two pixels at a time, or twice the same pixel if there is but one. */
  function inScript(heap, pixels, channels) {
    return function (out, outStep, from, fromStep, rowStride, rows, depth, weights, bias) {
      for (let p = 0; p < pixels; p += 2) {
        const apart = p + 1 < pixels ? fromStep >> 2 : 0;
        const to = (out + p * outStep) >> 2;
        const other = p + 1 < pixels ? to + (outStep >> 2) : to;
        for (let n = 0; n < channels; n += LANES) {
          const at = (bias >> 2) + n;
          let a0 = heap[at];
          let a1 = heap[at + 1];
          let a2 = heap[at + 2];
          let a3 = heap[at + 3];
          let b0 = a0;
          let b1 = a1;
          let b2 = a2;
          let b3 = a3;
          let w = (weights >> 2) + n;
          for (let r = 0; r < rows; r += 1) {
            const begin = (from + p * fromStep + r * rowStride) >> 2;
            for (let i = begin; i < begin + depth; i += 1) {
              const x = heap[i];
              const y = heap[i + apart];
              a0 += x * heap[w];
              a1 += x * heap[w + 1];
              a2 += x * heap[w + 2];
              a3 += x * heap[w + 3];
              b0 += y * heap[w];
              b1 += y * heap[w + 1];
              b2 += y * heap[w + 2];
              b3 += y * heap[w + 3];
              w += channels;
            }
          }
          heap[to + n] = a0;
          heap[to + n + 1] = a1;
          heap[to + n + 2] = a2;
          heap[to + n + 3] = a3;
          heap[other + n] = b0;
          heap[other + n + 1] = b1;
          heap[other + n + 2] = b2;
          heap[other + n + 3] = b3;
        }
      }
    };
  }

  /** The module; `fused` multiplies and adds in one instruction, which not all browsers have. */
  function assemble(fused) {
    const type = [0x60].concat(vector(PARAMETERS.map(function () { return [I32]; })), vector([]));
    const memory = text('m').concat(text('m'), [0x02, 0x00, 0x01]);
    const exports = SHAPES.map(function (shape, i) { return text(shape.join('x')).concat([0x00, i]); });
    const bodies = SHAPES.map(function (shape) {
      const made = body(shape[0], shape[1] / LANES, fused);
      return unsigned(made.length).concat(made);
    });
    return new Uint8Array([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00].concat(
      section(1, vector([type])), section(2, vector([memory])), section(3, vector(SHAPES.map(function () { return [0]; }))),
      section(7, vector(exports)), section(10, vector(bodies))
    ));
  }

  function body(pixels, vectors, fused) {
    const local = function (name) { return PARAMETERS.indexOf(name); };
    const pointer = function (p) { return PARAMETERS.length + p; };
    const left = PARAMETERS.length + pixels;
    const sum = function (p, n) { return left + 1 + p * vectors + n; };
    const weight = function (n) { return left + 1 + pixels * vectors + n; };
    const value = weight(vectors);
    const each = function (count, make) {
      return [].concat.apply([], Array.from({length: count}, function (_, i) { return make(i); }));
    };
    const load = function (at, offset) { return get(at).concat([0xfd, 0x00, 0x04], unsigned(offset)); };
    const splat = function (at, offset) { return get(at).concat([0xfd, 0x09, 0x02], unsigned(offset)); };
    const advance = function (at, by) { return get(at).concat(constant(by), [0x6a], set(at)); };
    const multiplyAdd = function (p, n) {
      return fused ? get(value).concat(get(weight(n)), get(sum(p, n)), [0xfd, 0x85, 0x02], set(sum(p, n)))
        : get(sum(p, n)).concat(get(value), get(weight(n)), [0xfd, 0xe6, 0x01, 0xfd, 0xe4, 0x01], set(sum(p, n)));
    };
    const turn = each(STEP, function (k) {
      return each(vectors, function (n) {
        return load(local('weights'), 16 * (k * vectors + n)).concat(set(weight(n)));
      }).concat(each(pixels, function (p) {
        return splat(pointer(p), 4 * k).concat(set(value), each(vectors, function (n) { return multiplyAdd(p, n); }));
      }));
    }).concat(
      each(pixels, function (p) { return advance(pointer(p), 4 * STEP); }),
      advance(local('weights'), 16 * STEP * vectors),
      countDown(left, STEP)
    );
    const row = each(pixels, function (p) {
      return (p ? get(pointer(p - 1)).concat(get(local('fromStep')), [0x6a]) : get(local('from'))).concat(set(pointer(p)));
    }).concat(
      get(local('depth')), set(left), loop(turn),
      get(local('from')), get(local('rowStride')), [0x6a], set(local('from')), countDown(local('rows'), 1)
    );
    return [0x02].concat(unsigned(pixels + 1), [I32], unsigned(pixels * vectors + vectors + 1), [V128],
      each(pixels, function (p) {
        return each(vectors, function (n) { return load(local('bias'), 16 * n).concat(set(sum(p, n))); });
      }),
      loop(row),
      each(pixels, function (p) {
        return (p ? get(local('out')).concat(get(local('outStep')), [0x6a], set(local('out'))) : []).concat(
          each(vectors, function (n) {
            return get(local('out')).concat(get(sum(p, n)), [0xfd, 0x0b, 0x04], unsigned(16 * n));
          }));
      }), [0x0b]);
  }

  function get(local) { return [0x20].concat(unsigned(local)); }

  function set(local) { return [0x21].concat(unsigned(local)); }

  /** A positive number of up to 13 bits; signed, so its last byte may not look negative. */
  function constant(value) {
    return value < 0x40 ? [0x41, value] : [0x41, (value & 0x7f) | 0x80, value >>> 7];
  }

  function loop(inside) { return [0x03, 0x40].concat(inside, [0x0b]); }

  /** Goes round the loop again until the local is 0. */
  function countDown(local, by) {
    return get(local).concat(constant(by), [0x6b, 0x22], unsigned(local), [0x0d, 0x00]);
  }

  function section(id, content) { return [id].concat(unsigned(content.length), content); }

  function vector(items) { return unsigned(items.length).concat([].concat.apply([], items)); }

  function text(word) { return vector(Array.from(word, function (letter) { return [letter.charCodeAt(0)]; })); }

  /** LEB128. */
  function unsigned(value) {
    return value < 0x80 ? [value] : [(value & 0x7f) | 0x80].concat(unsigned(value >>> 7));
  }
})();
