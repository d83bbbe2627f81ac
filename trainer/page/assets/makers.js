/** Who makes the pictures of the tab: the generator on this page, or a server. */
(function () {
  'use strict';

  const explore = window.explore;
  const TURN_MS = 30; // Of work, before the browser may draw what is there.
  const FLAT = 1e-3; // The sine of an angle at which two directions no longer define a circle.

  /**
   * What a picture is made from.
   * @typedef {{noise: Float32Array, classes: Float32Array, label: number, seed: (number|undefined)}} Latent
   *   the label is -1 for none; the seed is that of the noise as it is, undefined if it was moved
   */

  /**
   * @param {number} seed
   * @param {number=} label a class instead of the one that the seed decides
   * @returns {Latent}
   */
  explore.latentOf = function (seed, label) {
    const live = explore.data.start.live;
    const chosen = label === undefined ? explore.classOf(seed, live.edges) : label;
    const classes = new Float32Array(live.labels.length);
    if (chosen >= 0) classes[chosen] = 1;
    return {
      noise: explore.noiseOf(seed, live.noiseDim), classes: classes, label: classes.length ? chosen : -1, seed: seed,
      asked: label !== undefined,
    };
  };

  /**
   * A point between two pictures: noise goes along the sphere, as trainer/dcgan/noise.py has it, classes go straight.
   * @param {Latent} one
   * @param {Latent} other
   * @param {number} way from 0 to 1
   * @returns {Latent}
   */
  explore.between = function (one, other, way) {
    if (way === 0) return one;
    if (way === 1) return other;
    const cosine = dot(one.noise, other.noise) / Math.sqrt(dot(one.noise, one.noise) * dot(other.noise, other.noise));
    const angle = Math.acos(Math.min(1, Math.max(-1, cosine || 0)));
    const flat = Math.sin(angle) < FLAT;
    const a = flat ? 1 - way : Math.sin((1 - way) * angle) / Math.sin(angle);
    const b = flat ? way : Math.sin(way * angle) / Math.sin(angle);
    return {
      noise: mixed(one.noise, other.noise, a, b), classes: mixed(one.classes, other.classes, 1 - way, way),
      label: way < 0.5 ? one.label : other.label,
    };
  };

  /**
   * A picture moved along the directions of the page.
   * @param {Latent} latent
   * @param {Array<number>} steps one for each direction
   * @returns {Latent}
   */
  explore.moved = function (latent, steps) {
    if (!steps.some(Boolean)) return latent;
    const noise = steps.reduce(function (at, step, number) {
      return mixed(at, explore.data.start.live.directions[number], 1, step);
    }, latent.noise);
    return {noise: noise, classes: latent.classes, label: latent.label};
  };

  /**
   * @returns {Promise<{how: string, make: function(Array<Latent>, function(number, ImageData)): Promise}>} `make` gives
   *   each picture as soon as it is there; `how` says in a few words who makes them
   */
  explore.makeMaker = function () {
    const live = explore.data.start.live;
    if (!live.embedded && live.predict) return Promise.resolve(explore.remoteMaker());
    if (!live.embedded) return Promise.reject(new Error(live.note));
    return explore.load('live').then(function (packed) {
      return explore.makeNetwork(packed, explore.wasmAllowed());
    }).then(function (network) {
      return {
        how: network.wasm ? 'WebAssembly' : 'plain JavaScript, because WebAssembly is refused here',
        make: function (latents, give) { return inTurns(network, latents, give); },
      };
    });
  };

  /** @returns {boolean} false if the address ends in ?wasm=off, to try what happens where it is refused. */
  explore.wasmAllowed = function () {
    return new URLSearchParams(location.search).get('wasm') !== 'off' && typeof WebAssembly === 'object';
  };

  /** Runs the newest of many calls when the one before has ended, and forgets those in between. */
  explore.newestOnly = function (run) {
    let busy = false;
    let waiting = null;
    const next = function (value) {
      busy = true;
      run(value).catch(function () {}).then(function () {
        busy = false;
        const newest = waiting;
        waiting = null;
        if (newest) next(newest.value);
      });
    };
    return function (value) {
      if (busy) waiting = {value: value};
      else next(value);
    };
  };

  function inTurns(network, latents, give) {
    return new Promise(function (resolve, reject) {
      let number = 0;
      const turn = function () {
        const begun = performance.now();
        try {
          while (number < latents.length && performance.now() - begun < TURN_MS) {
            give(number, picture(network.run(latents[number].noise, latents[number].classes)));
            number += 1;
          }
        } catch (error) {
          reject(error);
          return;
        }
        if (number < latents.length) setTimeout(turn);
        else resolve();
      };
      turn();
    });
  }

  /** Numbers in [-1, 1] as a picture; a clamped array rounds as the trainer does, halves to even. */
  function picture(values) {
    const live = explore.data.start.live;
    const made = new ImageData(live.side, live.side);
    for (let i = 0; i < live.side * live.side; i += 1) {
      for (let c = 0; c < 3; c += 1) {
        made.data[4 * i + c] = (values[live.channels * i + c % live.channels] + 1) * 127.5;
      }
      made.data[4 * i + 3] = 255;
    }
    return made;
  }

  function mixed(one, other, a, b) {
    return Float32Array.from(one, function (value, i) { return a * value + b * other[i]; });
  }

  function dot(one, other) {
    return one.reduce(function (sum, value, i) { return sum + value * other[i]; }, 0);
  }
})();
