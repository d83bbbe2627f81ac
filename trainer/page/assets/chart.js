/** Small histograms, drawn as inline SVG. */
(function () {
  'use strict';

  const explore = window.explore;
  const WIDTH = 360;
  const HEIGHT = 96;
  const BINS = 36;

  /**
   * @param {{edges: Array<number>, counts: Array<number>}} bins
   * @param {string} label what it shows, in words
   * @param {Array<{at: number, class: string}>=} marks vertical lines
   * @returns {HTMLElement} the bars above their axis
   */
  explore.histogram = function (bins, label, marks) {
    const first = bins.edges[0];
    const last = bins.edges[bins.edges.length - 1];
    const x = function (value) { return WIDTH * (value - first) / (last - first || 1); };
    const tallest = Math.max(1, Math.max.apply(null, bins.counts));
    const drawing = svg('svg', {
      viewBox: '0 0 ' + WIDTH + ' ' + HEIGHT, role: 'img', 'aria-label': label, preserveAspectRatio: 'none', class: 'bars',
    });
    bins.counts.forEach(function (count, i) {
      const height = count ? Math.max(1.5, (HEIGHT - 4) * count / tallest) : 0;
      const left = x(bins.edges[i]);
      drawing.append(svg('rect', {
        x: left, y: HEIGHT - height, width: Math.max(1, x(bins.edges[i + 1]) - left - 1), height: height,
      }));
    });
    (marks || []).forEach(function (mark) {
      const at = Math.min(WIDTH - 1, Math.max(1, x(mark.at)));
      drawing.append(svg('line', {x1: at, x2: at, y1: 0, y2: HEIGHT, class: mark.class}));
    });
    const axis = explore.element('div', {class: 'axis', 'aria-hidden': 'true'}, [
      explore.element('span', {text: short(first)}), explore.element('span', {text: short(last)}),
    ]);
    return explore.element('div', {class: 'histogram'}, [drawing, axis]);
  };

  /**
   * Where one picture stands among real images.
   * @param {{cosines: Array<number>, of: string, threshold: number}} scale
   * @param {number} cosine of the picture
   * @param {string} words the same in words
   * @returns {HTMLElement}
   */
  explore.standing = function (scale, cosine, words) {
    const low = Math.floor(10 * Math.min(scale.cosines[0], cosine)) / 10;
    const counts = new Array(BINS).fill(0);
    scale.cosines.forEach(function (value) {
      counts[Math.min(BINS - 1, Math.max(0, Math.floor(BINS * (value - low) / (1 - low || 1))))] += 1;
    });
    const edges = Array.from({length: BINS + 1}, function (_, i) { return low + (1 - low) * i / BINS; });
    const marks = [{at: scale.threshold, class: 'limit'}, {at: cosine, class: 'here'}];
    return explore.element('figure', {class: 'standing'}, [
      explore.histogram({edges: edges, counts: counts}, words, marks),
      explore.element('figcaption', {}, [
        'Cosine with the nearest training image: ',
        key('swatch', 'real images'), ', ', key('swatch here', 'this picture'), ', ', key('swatch limit', 'the mark for copies'),
      ]),
    ]);
  };

  function key(looks, text) {
    return explore.element('span', {class: 'key'}, [
      explore.element('span', {class: looks, 'aria-hidden': 'true'}), text,
    ]);
  }

  function short(value) {
    return Math.abs(value) >= 100 ? explore.number(Math.round(value)) : String(Number(value.toFixed(2)));
  }

  function svg(tag, attributes) {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    Object.keys(attributes).forEach(function (name) { made.setAttribute(name, attributes[name]); });
    return made;
  }
})();
