/** A short list of pictures with their scores: neighbours, duplicates. */
(function () {
  'use strict';

  const explore = window.explore;

  /**
   * @param {string} label what the list holds
   * @param {string} kind 'sample' or 'image': what its entries are, and what choosing one opens
   * @param {Array<{index: number, cosine: (number|undefined)}>} entries
   * @returns {HTMLElement}
   */
  explore.strip = function (label, kind, entries) {
    const buttons = entries.map(function (entry) {
      const score = entry.cosine === undefined ? '' : entry.cosine.toFixed(2);
      return explore.element('button', {
        type: 'button',
        class: 'tile',
        'aria-label': explore.describe(kind, entry.index) + (score && ', cosine ' + score),
        title: explore.describe(kind, entry.index),
        onclick: function () { explore.open(kind, entry.index); },
      }, [
        explore.picture(kind === 'sample' ? 'samples' : 'thumbnails', entry.index),
        explore.element('span', {class: 'score', text: score, 'aria-hidden': 'true'}),
      ]);
    });
    const list = explore.element('ul', {class: 'strip', 'aria-label': label}, buttons.map(function (button) {
      return explore.element('li', {}, [button]);
    }));
    if (buttons.length) explore.rove(list, buttons);
    return list;
  };

  /**
   * The neighbours of one picture, with a switch between the layers if there is more than one.
   * @param {string} label what the neighbours are, such as 'Nearest training images'
   * @param {string} kind 'sample' or 'image'
   * @param {Array<Object>} layers packed, from early to late
   * @param {number} row whose neighbours
   * @returns {HTMLElement}
   */
  explore.neighbourhood = function (label, kind, layers, row) {
    const place = explore.element('div');
    const show = function (number) {
      const title = label + (layers.length > 1 ? ' by ' + layers[number].likeness : '');
      place.replaceChildren(explore.strip(title, kind, explore.neighbours(layers[number], row)));
      return title;
    };
    show(chosen(layers));
    const heading = [explore.element('h3', {text: label})];
    if (layers.length > 1) {
      heading.push(switchOf(label, layers, function (number) {
        explore.layer = number;
        const title = show(number);
        // The other lists of the same picture follow; each click comes back here, until all stand alike.
        document.querySelectorAll('.switch input[value="' + number + '"]:not(:checked)').forEach(function (input) {
          input.click();
        });
        explore.announce(title);
      }));
    }
    return explore.element('section', {class: 'neighbourhood'}, [
      explore.element('div', {class: 'heading'}, heading), place,
    ]);
  };

  /** The layer that was last chosen, at first the late one. */
  function chosen(layers) {
    return explore.layer === undefined ? layers.length - 1 : Math.min(explore.layer, layers.length - 1);
  }

  function switchOf(label, layers, changed) {
    const name = 'layer-' + label.replace(/\W+/g, '-');
    const options = layers.map(function (layer, number) {
      const input = explore.element('input', {
        type: 'radio', name: name, value: number, checked: number === chosen(layers),
        onchange: function () { changed(number); },
      });
      return explore.element('label', {}, [input, explore.element('span', {text: 'by ' + layer.likeness})]);
    });
    return explore.element('fieldset', {class: 'switch'}, [
      explore.element('legend', {class: 'unseen', text: label + ': alike in what'}),
    ].concat(options));
  }
})();
