/**
 * The noise and the class of a seed, as trainer/dcgan/noise.py and conditioning.py get them from TensorFlow's
 * stateless_normal and stateless_uniform: Philox 4x32 with 10 rounds (Salmon et al. 2011), then Box and Muller.
 */
(function () {
  'use strict';

  const explore = window.explore;
  const KEY = [0x3ec8f720, 0x02461e29]; // With these TensorFlow turns its seed into a key and a counter.
  const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57];
  const WEYL = [0x9e3779b9, 0xbb67ae85];
  const ROUNDS = 10;
  const LEAST = Math.fround(1e-7); // The logarithm of 0 is not finite.
  const NOISE = 0; // The second number of TensorFlow's seed.
  const CLASS = 3;
  const round = Math.fround;

  /** The largest seed of trainer.generate. */
  explore.MOST_SEED = 2147483647;

  /**
   * @param {number} seed a whole number of 32 bits
   * @param {number} length
   * @returns {Float32Array} from N(0, 1)
   */
  explore.noiseOf = function (seed, length) {
    const noise = new Float32Array(4 * Math.ceil(length / 4));
    const next = generator(seed, NOISE);
    for (let at = 0; at < noise.length; at += 4) {
      const bits = next();
      noise.set(pair(bits[0], bits[1]), at);
      noise.set(pair(bits[2], bits[3]), at + 2);
    }
    return noise.slice(0, length);
  };

  /**
   * @param {number} seed
   * @param {Array<number>} edges between the shares of no class and of each class, as they lie side by side in [0, 1]
   * @returns {number} the class that the seed decides, -1 for none
   */
  explore.classOf = function (seed, edges) {
    const drawn = uniform(generator(seed, CLASS)()[0]);
    return edges.filter(function (edge) { return edge <= drawn; }).length - 1;
  };

  /** Gives four times 32 random bits at each call. */
  function generator(seed, stream) {
    const sign = seed < 0 ? 0xffffffff : 0; // TensorFlow widens the seed to 64 bits.
    const mixed = philox([seed >>> 0, sign, stream, 0], KEY);
    let number = 0;
    return function () {
      const counter = [number, 0, mixed[2], mixed[3]];
      number += 1;
      return philox(counter, [mixed[0], mixed[1]]);
    };
  }

  function philox(counter, key) {
    let x = counter;
    let k0 = key[0];
    let k1 = key[1];
    for (let i = 0; i < ROUNDS; i += 1) {
      const a = product(MULTIPLIERS[0], x[0]);
      const b = product(MULTIPLIERS[1], x[2]);
      x = [(b.high ^ x[1] ^ k0) >>> 0, b.low, (a.high ^ x[3] ^ k1) >>> 0, a.low];
      k0 = (k0 + WEYL[0]) >>> 0;
      k1 = (k1 + WEYL[1]) >>> 0;
    }
    return x;
  }

  /** All 64 bits of the product of two numbers of 32 bits, from their halves. */
  function product(a, b) {
    const a0 = a & 0xffff;
    const a1 = a >>> 16;
    const b0 = b & 0xffff;
    const b1 = b >>> 16;
    const middle = a1 * b0 + (a0 * b0 >>> 16);
    const cross = a0 * b1 + (middle & 0xffff);
    const carried = Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000);
    return {high: (a1 * b1 + carried) >>> 0, low: Math.imul(a, b) >>> 0};
  }

  /** 32 bits -> a float32 in [0, 1): their last 23 are those behind the point. */
  function uniform(bits) {
    return (bits & 0x7fffff) / 0x800000;
  }

  /** Two normal numbers, rounded to float32 at each step as TensorFlow does. */
  function pair(one, other) {
    const radius = round(Math.sqrt(round(-2 * round(Math.log(Math.max(uniform(one), LEAST))))));
    const angle = round(round(2 * Math.PI) * uniform(other));
    return [round(round(Math.sin(angle)) * radius), round(round(Math.cos(angle)) * radius)];
  }
})();
