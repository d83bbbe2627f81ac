/** The operations of trainer/operations.py: which passes of the kernel each takes, or how it is computed without it. */
(function () {
  'use strict';

  const explore = window.explore;

  /**
   * @param {Object} operation packed
   * @param {Array<Object>} inputs where its inputs lie
   * @param {function(number): number} take floats of the heap
   * @returns {{output: Object, run: function(Object, Object), passes: (Array<Object>|undefined)}}
   */
  explore.planOperation = function (operation, inputs, take) {
    return PLANS[operation.kind](operation, inputs, take);
  };

  const PLANS = {
    dense: function (operation, inputs, take) {
      const side = operation.settings.side;
      const shape = operation.arrays.kernel.shape;
      const vector = explore.placeValue(take, 0, shape[1]);
      const pass = passOf(take, vector.padded, inputs[0], shape[0], shape[1], [0], [0],
        {row: 0, column: 0, input: shape[1], output: 1});
      Object.assign(pass, {
        width: 1, height: 1, from: inputs[0].at, fromStep: 0, fromRow: 0, rowStride: 0, out: vector.at, outStep: 0, outRow: 0,
      });
      if (!side) return {output: vector, passes: [pass], run: runPasses};
      const output = explore.placeValue(take, side, shape[1] / side / side);
      return {output: output, passes: [pass], run: function (kernel, plan) {
        runPasses(kernel, plan);
        let from = vector.at;
        explore.eachRow(output, function (begin, end) {
          for (let at = begin; at < end; at += output.padded) {
            for (let c = 0; c < output.channels; c += 1) kernel.heap[at + c] = kernel.heap[from + c];
            from += output.channels;
          }
        });
      }};
    },

    conv: function (operation, inputs, take) {
      const input = inputs[0];
      const shape = operation.arrays.kernel.shape;
      const size = shape[0];
      const stride = operation.settings.stride;
      const output = explore.placeValue(take, Math.ceil(input.side / stride), shape[3]);
      const before = Math.max((output.side - 1) * stride + size - input.side, 0) >> 1;
      const taps = range(size);
      const pass = passOf(take, output.padded, input, shape[2], shape[3], taps, taps,
        {row: size * shape[2] * shape[3], column: shape[2] * shape[3], input: shape[3], output: 1});
      Object.assign(pass, {
        width: output.side, height: output.side,
        from: input.at - before * (input.row + input.padded), fromStep: stride * input.padded, fromRow: stride * input.row,
        rowStride: input.row, out: output.at, outStep: output.padded, outRow: output.row,
      });
      return {output: output, passes: [pass], run: runPasses};
    },

    /** Each quarter of the output pixels, by the parity of row and column, is a convolution of its own. */
    deconv: function (operation, inputs, take) {
      const input = inputs[0];
      const shape = operation.arrays.kernel.shape;
      const size = shape[0];
      const output = explore.placeValue(take, 2 * input.side, shape[2]);
      const strides = {row: size * shape[2] * shape[3], column: shape[2] * shape[3], input: 1, output: shape[3]};
      const passes = [[0, 0], [0, 1], [1, 0], [1, 1]].map(function (parity) {
        const rows = tapsOf(size, parity[0]);
        const columns = tapsOf(size, parity[1]);
        const pass = passOf(take, output.padded, input, shape[3], shape[2], rows.taps, columns.taps, strides);
        return Object.assign(pass, {
          width: input.side, height: input.side,
          from: input.at + rows.first * input.row + columns.first * input.padded,
          fromStep: input.padded, fromRow: input.row, rowStride: input.row,
          out: output.at + parity[0] * output.row + parity[1] * output.padded,
          outStep: 2 * output.padded, outRow: 2 * output.row,
        });
      });
      return {output: output, passes: passes, run: runPasses};
    },

    modulate: function (operation, inputs, take) {
      return each(inputs, take, function (heap, at, from, c) {
        const by = inputs[1].at + c;
        return heap[from] * heap[by] + heap[by + inputs[0].channels];
      });
    },

    add: function (operation, inputs, take) {
      const apart = inputs[1].at - inputs[0].at;
      return each(inputs, take, function (heap, at, from) { return heap[from] + heap[from + apart]; });
    },

    tanh: function (operation, inputs, take) {
      return each(inputs, take, function (heap, at, from) { return Math.tanh(heap[from]); });
    },

    concat: function (operation, inputs, take) {
      const channels = inputs.reduce(function (sum, input) { return sum + input.channels; }, 0);
      const output = explore.placeValue(take, inputs[0].side, channels);
      return {output: output, run: function (kernel) {
        let behind = 0;
        inputs.forEach(function (input) {
          explore.eachRow(input, function (begin, end, y) {
            let to = output.at + y * output.row + behind;
            for (let from = begin; from < end; from += input.padded) {
              for (let c = 0; c < input.channels; c += 1) kernel.heap[to + c] = kernel.heap[from + c];
              to += output.padded;
            }
          });
          behind += input.channels;
        });
      }};
    },

    pool: function (operation, inputs, take) {
      const input = inputs[0];
      const output = explore.placeValue(take, (input.side - 3 >> 1) + 1, input.channels);
      return {output: output, run: function (kernel) {
        const heap = kernel.heap;
        explore.eachRow(output, function (begin, end, y) {
          for (let at = begin; at < end; at += 1) {
            const x = Math.floor((at - begin) / output.padded);
            const c = at - begin - x * output.padded;
            let from = input.at + 2 * y * input.row + 2 * x * input.padded + c;
            let largest = -Infinity;
            for (let row = 0; row < 3; row += 1) {
              largest = Math.max(largest, heap[from], heap[from + input.padded], heap[from + 2 * input.padded]);
              from += input.row;
            }
            heap[at] = largest;
          }
        });
      }};
    },

    mean: function (operation, inputs, take) {
      const input = inputs[0];
      const output = explore.placeValue(take, 0, input.channels);
      return {output: output, run: function (kernel) {
        const sums = new Float64Array(input.padded);
        explore.eachRow(input, function (begin, end) {
          for (let at = begin; at < end; at += 1) sums[(at - begin) % input.padded] += kernel.heap[at];
        });
        sums.forEach(function (sum, c) { kernel.heap[output.at + c] = sum / input.side / input.side; });
      }};
    },
  };

  function runPasses(kernel, plan) {
    plan.passes.forEach(function (pass) { explore.runPass(kernel, pass); });
  }

  /** What all passes have: the shape of the weights, and room for them. */
  function passOf(take, channels, input, inputs, outputs, rows, columns, strides) {
    const depth = columns.length * input.padded;
    return {
      channels: channels, inputs: inputs, outputs: outputs, rows: rows, columns: columns, depth: depth, strides: strides,
      weights: take(channels * rows.length * depth), bias: take(channels),
    };
  }

  /** The taps of a kernel that reach output pixels of a parity, and the input pixel of the first, from that of the pair. */
  function tapsOf(size, parity) {
    const before = size - 2 >> 1;
    const taps = range(size).filter(function (tap) { return (tap - parity - before) % 2 === 0; }).reverse();
    return {taps: taps, first: -(taps[0] - parity - before) / 2};
  }

  /** A plan whose output has the shape of its first input, number by number. */
  function each(inputs, take, compute) {
    const input = inputs[0];
    const output = explore.placeValue(take, input.side, input.channels);
    return {output: output, run: function (kernel) {
      explore.eachRow(input, function (begin, end) {
        for (let from = begin; from < end; from += input.padded) {
          const at = output.at + from - input.at;
          for (let c = 0; c < input.channels; c += 1) kernel.heap[at + c] = compute(kernel.heap, at + c, from + c, c);
        }
      });
    }};
  }

  function range(count) {
    return Array.from({length: count}, function (_, i) { return i; });
  }
})();
