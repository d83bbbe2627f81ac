/** What the dialog shows of a sample. */
(function () {
  'use strict';

  const explore = window.explore;

  /**
   * @param {number} index of the sample
   * @returns {{title: string, body: Array<Node>}}
   */
  explore.sampleDetail = function (index) {
    const generated = explore.data.start.generated;
    const copy = generated.copies.indexOf(index) >= 0;
    const words = standing(generated.nearerThan[index], generated.scale.of);
    const left = explore.element('div', {class: 'subject'}, [
      explore.large('samples', index, 'sample of seed ' + generated.seeds[index]),
      explore.element('p', {class: copy ? 'verdict marked' : 'verdict'}, [
        copy ? explore.element('strong', {text: 'Likely a copy. '}) : '', words,
      ]),
      explore.standing(generated.scale, generated.cosines[index], words),
      explore.command(generated.command + ' --seeds=' + generated.seeds[index]),
    ]);
    const right = explore.element('div', {}, [
      explore.neighbourhood('Nearest training images', 'image', generated.layers, index),
    ]);
    const label = generated.labels[index] ? ', ' + generated.labels[index] : '';
    return {title: 'Seed ' + generated.seeds[index] + label, body: [left, right]};
  };

  /**
   * A picture as large as the dialog lets it be.
   * @param {string} kind 'samples' or 'thumbnails'
   * @param {number} index
   * @param {string} label
   * @returns {HTMLElement}
   */
  explore.large = function (kind, index, label) {
    const made = explore.picture(kind, index, 'large' + (kind === 'samples' ? ' crisp' : ''));
    made.setAttribute('role', 'img');
    made.setAttribute('aria-label', label);
    made.style.maxWidth = explore.largeSide(kind, Math.min(384, window.innerWidth - 48)) + 'px';
    return made;
  };

  /**
   * Where a picture that is no sample of the page stands among real images, in words.
   * @param {{cosines: Array<number>, of: string}} scale
   * @param {number} cosine with its nearest training image
   * @returns {string}
   */
  explore.standingWords = function (scale, cosine) {
    const less = scale.cosines.filter(function (real) { return real < cosine; }).length;
    return standing(less / scale.cosines.length, scale.of);
  };

  /** Where the sample stands among real images, in words. */
  function standing(share, real) {
    if (share === 0) return 'No nearer to a training image than any of ' + real + '.';
    return 'Nearer to a training image than ' + (share === 1 ? 'all' : explore.percent(share)) + ' of ' + real + '.';
  }

  /** A word as a shell reads it. */
  explore.quoted = function (word) {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : "'" + word.replace(/'/g, "'\"'\"'") + "'";
  };

  /** A command to be copied; without an introduction it is one that makes a picture again. */
  explore.command = function (text, introduction) {
    const button = explore.element('button', {type: 'button', class: 'plain', text: 'Copy', onclick: function () {
      copyText(text).then(function () {
        button.textContent = 'Copied';
        explore.announce('Copied');
        setTimeout(function () { button.textContent = 'Copy'; }, 1600);
      });
    }});
    return explore.element('div', {class: 'command'}, [
      explore.element('p', {text: introduction || 'Make it again:'}),
      explore.element('code', {}, unbroken(text)),
      button,
    ]);
  };

  /** Words that break across lines between them only, not at their hyphens. */
  function unbroken(text) {
    const parts = text.split(' ').map(function (word) { return explore.element('span', {text: word}); });
    return parts.reduce(function (all, part) { return all.concat(all.length ? [' ', part] : [part]); }, []);
  }

  function copyText(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    // Over plain http browsers have no clipboard to offer; this they still do.
    const field = explore.element('textarea', {class: 'unseen'});
    field.value = text;
    const dialog = document.getElementById('dialog');
    (dialog.open ? dialog : document.body).append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
    return Promise.resolve();
  }
})();
