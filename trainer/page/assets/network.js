/** Runs a network that trainer/page/network_packing.py has packed: one picture, or one vector, at a time. */
(function () {
  'use strict';

  const explore = window.explore;
  const BLOCK = 8; // Channels of one call of the kernel; what remains is a block of 4.
  const PIXELS = 4;

  /**
   * Maps have a border of one pixel of zeros, and their channels are filled up to a multiple of 4.
   * @param {{inputs: Array<Array<number>>, operations: Array<Object>, bytes: string}} packed
   * @param {boolean} wasm whether WebAssembly may be used
   * @returns {Promise<{run: function(...Float32Array): Float32Array, wasm: boolean}>} run takes each input, [length]
   *   or [height, width, channels], and returns the output
   */
  explore.makeNetwork = function (packed, wasm) {
    return explore.inflate(packed.bytes).then(function (buffer) {
      return assemble(packed, explore.arraysIn(buffer), wasm);
    });
  };

  function assemble(packed, arrays, wasm) {
    let used = 0;
    const take = function (floats) {
      const at = used;
      used += Math.ceil(floats / PIXELS) * PIXELS;
      return at;
    };
    const values = packed.inputs.map(function (shape) {
      return shape.length === 1 ? place(take, 0, shape[0]) : place(take, shape[0], shape[2]);
    });
    const plans = packed.operations.map(function (operation) {
      const inputs = operation.inputs.map(function (number) { return values[number]; });
      const plan = explore.planOperation(operation, inputs, take);
      plan.inputs = inputs;
      plan.relu = operation.relu;
      values.push(plan.output);
      return plan;
    });
    const kernel = explore.makeKernel(4 * used, wasm);
    plans.forEach(function (plan, number) { fill(kernel.heap, plan, arrays(packed.operations[number])); });
    const last = values[values.length - 1];
    return {
      wasm: kernel.wasm,
      run: function () {
        const given = arguments;
        packed.inputs.forEach(function (_, number) { write(kernel.heap, values[number], given[number]); });
        plans.forEach(function (plan) {
          plan.run(kernel, plan);
          if (plan.relu) rectify(kernel.heap, plan.output);
        });
        return read(kernel.heap, last);
      },
    };
  }

  /**
   * Where a value lies.
   * @param {function(number): number} take floats of the heap
   * @param {number} side of maps, 0 for a vector
   * @param {number} channels
   */
  explore.placeValue = place;

  function place(take, side, channels) {
    const padded = Math.ceil(channels / PIXELS) * PIXELS;
    const row = side ? (side + 2) * padded : 0;
    const begin = take(side ? (side + 2) * row : padded);
    return {
      side: side, width: side || 1, channels: channels, padded: padded, row: row, at: begin + (side ? row + padded : 0),
    };
  }

  /** Puts the weights where the kernel reads them: for each block of channels, row, depth, channel. */
  function fill(heap, plan, arrays) {
    (plan.passes || []).forEach(function (pass) {
      blocks(pass.channels).forEach(function (block) {
        let at = pass.weights + block.begin * pass.rows.length * pass.depth;
        pass.rows.forEach(function (row) {
          pass.columns.forEach(function (column) {
            for (let c = 0; c < pass.depth / pass.columns.length; c += 1) {
              const from = row * pass.strides.row + column * pass.strides.column + c * pass.strides.input;
              for (let n = 0; n < block.size; n += 1) {
                const inside = c < pass.inputs && block.begin + n < pass.outputs;
                heap[at + n] = inside ? arrays.kernel[from + (block.begin + n) * pass.strides.output] : 0;
              }
              at += block.size;
            }
          });
        });
      });
      heap.set(arrays.bias, pass.bias);
    });
  }

  /** The blocks of a number of channels that is a multiple of 4. */
  function blocks(channels) {
    const found = [];
    for (let begin = 0; begin < channels; begin += BLOCK) {
      found.push({begin: begin, size: Math.min(BLOCK, channels - begin)});
    }
    return found;
  }

  /** Computes one pass: all channels of every pixel, or of every second one of each second row. */
  explore.runPass = function (kernel, pass) {
    const together = pass.width >= PIXELS ? PIXELS : 1;
    const rows = pass.rows.length;
    blocks(pass.channels).forEach(function (block) {
      const call = kernel.call[together + 'x' + block.size];
      const weights = 4 * (pass.weights + block.begin * rows * pass.depth);
      const bias = 4 * (pass.bias + block.begin);
      for (let y = 0; y < pass.height; y += 1) {
        const out = pass.out + y * pass.outRow + block.begin;
        const from = pass.from + y * pass.fromRow;
        for (let x = 0; x < pass.width; x += together) {
          const column = Math.min(x, pass.width - together); // The last few may be computed twice.
          call(4 * (out + column * pass.outStep), 4 * pass.outStep, 4 * (from + column * pass.fromStep),
            4 * pass.fromStep, 4 * pass.rowStride, rows, pass.depth, weights, bias);
        }
      }
    });
  };

  /** Calls `visit(row's begin, row's end)` for the floats of each row of a value, without its border. */
  explore.eachRow = function (value, visit) {
    for (let y = 0; y < value.width; y += 1) {
      const begin = value.at + y * value.row;
      visit(begin, begin + value.width * value.padded, y);
    }
  };

  function rectify(heap, value) {
    explore.eachRow(value, function (begin, end) {
      for (let i = begin; i < end; i += 1) if (heap[i] < 0) heap[i] = 0;
    });
  }

  function write(heap, value, data) {
    copy(value, function (at, from) { heap[at] = data[from]; });
  }

  function read(heap, value) {
    const data = new Float32Array(value.width * value.width * value.channels);
    copy(value, function (at, to) { data[to] = heap[at]; });
    return data;
  }

  function copy(value, move) {
    let number = 0;
    explore.eachRow(value, function (begin, end) {
      for (let at = begin; at < end; at += value.padded) {
        for (let c = 0; c < value.channels; c += 1) {
          move(at + c, number);
          number += 1;
        }
      }
    });
  }
})();
