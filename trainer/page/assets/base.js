/**
 * Helpers that all parts of the page share, and the place where the data scripts put what they carry.
 * Classic scripts, not modules: those do not load from disk.
 */
(function () {
  'use strict';

  const waiting = {};
  const explore = {data: {}};
  window.explore = explore;

  /**
   * Makes an element. Text is only ever set as text, so a file's name cannot become markup.
   * @param {string} tag
   * @param {Object<string, *>=} properties attributes; 'class', 'text' and 'on…' handlers as one expects.
   * @param {Array<Node|string>=} children
   * @returns {HTMLElement}
   */
  explore.element = function (tag, properties, children) {
    const made = document.createElement(tag);
    Object.keys(properties || {}).forEach(function (name) {
      const value = properties[name];
      if (name === 'text') made.textContent = value;
      else if (name.slice(0, 2) === 'on') made.addEventListener(name.slice(2), value);
      else if (value !== false && value !== null && value !== undefined) {
        made.setAttribute(name, value === true ? '' : String(value));
      }
    });
    (children || []).forEach(function (child) { made.append(child); });
    return made;
  };

  /**
   * Loads a data script once.
   * @param {string} name such as 'dataset'
   * @returns {Promise<Object>} what it carries
   */
  explore.load = function (name) {
    if (!waiting[name]) {
      waiting[name] = new Promise(function (resolve, reject) {
        document.head.append(explore.element('script', {
          src: 'data/' + name + '.js',
          onload: function () { resolve(explore.data[name]); },
          onerror: function () { reject(new Error('data/' + name + '.js is missing: write the page again')); },
        }));
      });
    }
    return waiting[name];
  };

  /**
   * Reads neighbours out of a packed layer, whose bytes are in base64 or those of `explore.inflateLayers`.
   * @param {{count: number, width: number, indices: (string|ArrayBuffer), cosines: (string|Int8Array)}} layer
   * @param {number} row whose neighbours
   * @returns {Array<{index: number, cosine: number}>} nearest first
   */
  explore.neighbours = function (layer, row) {
    if (typeof layer.indices === 'string') {
      layer.indices = explore.bytesOf(layer.indices).buffer;
      layer.cosines = new Int8Array(explore.bytesOf(layer.cosines).buffer);
    }
    const view = new DataView(layer.indices);
    return Array.from({length: layer.count}, function (_, k) {
      const at = row * layer.count + k;
      const index = layer.width === 2 ? view.getUint16(2 * at, true) : view.getUint32(4 * at, true);
      return {index: index, cosine: layer.cosines[at] / 100};
    });
  };

  /** @returns {string} 3567 -> '3,567' */
  explore.number = function (value) {
    return value.toLocaleString('en');
  };

  /** @returns {string} (1, 'sample') -> '1 sample', (2, 'sample') -> '2 samples' */
  explore.count = function (value, noun) {
    return explore.number(value) + ' ' + noun + (value === 1 ? '' : 's');
  };

  /** @returns {string} 0.973 -> '97%'; never rounds to none or all. */
  explore.percent = function (share) {
    if (share > 0 && share < 0.01) return 'less than 1%';
    if (share > 0.99 && share < 1) return 'more than 99%';
    return Math.round(100 * share) + '%';
  };

  /** Tells people who hear the page what changed; inside the dialog it must be told there. */
  explore.announce = function (text) {
    const open = document.getElementById('dialog').open;
    document.getElementById(open ? 'dialog-status' : 'status').textContent = text;
  };

  /**
   * Makes a labelled choice from a list.
   * @param {string} label
   * @param {Array<Array<string>>} options (value, text) pairs
   * @param {function(string)} chosen
   * @returns {HTMLElement}
   */
  explore.select = function (label, options, chosen) {
    const list = explore.element('select', {onchange: function () { chosen(list.value); }}, options.map(function (pair) {
      return explore.element('option', {value: pair[0], text: pair[1]});
    }));
    return explore.element('label', {class: 'choice'}, [explore.element('span', {text: label}), list]);
  };
})();
