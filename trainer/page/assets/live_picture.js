/** A picture of one's own: chosen, dropped or pasted, and what it is like. It never leaves the page, but for a server. */
(function () {
  'use strict';

  const explore = window.explore;
  const COUNT = 12;
  const MOST = 2048; // px: larger pictures are first made smaller by the browser.

  /**
   * Appends the part to the tab.
   * @param {HTMLElement} panel
   */
  explore.livePicture = function (panel) {
    const live = explore.data.start.live;
    const title = explore.element('h2', {id: 'own-title', tabindex: -1, text: 'A picture of your own'});
    const section = explore.element('section', {class: 'own', 'aria-labelledby': 'own-title'}, [title]);
    panel.append(section);
    if (!explore.findsHere()) {
      if (live.finderNote) section.append(explore.element('p', {class: 'hint', text: live.finderNote}));
      else section.remove();
      return;
    }
    const results = explore.element('div', {class: 'results'});
    const input = explore.element('input', {type: 'file', accept: 'image/*', onchange: function () {
      if (input.files.length) take(input.files[0]);
      input.value = '';
    }});
    const zone = explore.element('label', {class: 'drop'}, [
      explore.element('span', {text: 'Choose a picture, drop it here, or paste it: which training images is it like?'}), input,
    ]);
    const note = live.finds && !live.predict ? 'It stays in this browser. ' : '';
    section.append(zone, explore.element('p', {class: 'hint', text: note + live.finderNote}), results);

    const show = function (children) { results.replaceChildren.apply(results, children); };
    const failed = function (error) { show([explore.element('p', {class: 'empty', role: 'alert', text: error.message})]); };

    function take(file) {
      show([explore.element('p', {class: 'hint', text: 'Looking at ' + (file.name || 'the picture') + ' …'})]);
      opened(file).then(function (canvas) { return compare(canvas, file.name || 'the pasted picture'); }).catch(failed);
    }

    function compare(canvas, name) {
      const found = live.finds ? hereFound(canvas, name) : explore.askAbout(canvas).then(function (answer) {
        return explore.answered(canvas, name, answer);
      });
      return found.then(function (made) {
        show(made.children);
        explore.announce(made.words);
      });
    }

    /** Compares a picture that this page has made. */
    explore.findPicture = function (picture, name) {
      const canvas = explore.element('canvas');
      explore.paint(canvas, picture);
      title.scrollIntoView({block: 'start'});
      title.focus({preventScroll: true});
      compare(canvas, name).catch(failed);
    };

    ['dragenter', 'dragover'].forEach(function (kind) {
      zone.addEventListener(kind, function (event) {
        event.preventDefault();
        zone.classList.add('over');
      });
    });
    zone.addEventListener('dragleave', function () { zone.classList.remove('over'); });
    zone.addEventListener('drop', function (event) {
      event.preventDefault();
      zone.classList.remove('over');
      if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
    });
    document.addEventListener('paste', function (event) {
      const files = event.clipboardData ? event.clipboardData.files : [];
      if (files.length && !panel.hidden) take(files[0]);
    });
  };

  /** A picture file as a canvas on white, upright. */
  function opened(file) {
    return createImageBitmap(file).then(function (bitmap) {
      const scale = Math.min(1, MOST / Math.max(bitmap.width, bitmap.height));
      const canvas = explore.element('canvas');
      canvas.width = Math.max(1, Math.round(scale * bitmap.width));
      canvas.height = Math.max(1, Math.round(scale * bitmap.height));
      const pen = canvas.getContext('2d');
      pen.fillStyle = 'white';
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.imageSmoothingQuality = 'high';
      pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      return canvas;
    }, function () {
      throw new Error((file.name || 'This') + ' is no picture that this browser can read: choose a PNG, JPEG or WebP file.');
    });
  }

  function hereFound(canvas, name) {
    const live = explore.data.start.live;
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const picture = explore.fitted(pixels, live.side, live.channels);
    return Promise.all([explore.find(picture, COUNT), explore.load('dataset')]).then(function (ready) {
      const scale = explore.data.start.generated.scale;
      const cosine = ready[0].images[0].cosine;
      const words = explore.standingWords(scale, cosine);
      const seen = explore.liveCanvas();
      explore.paint(seen, picture);
      const copy = cosine >= scale.threshold;
      return {
        words: name + ': nearest training image cosine ' + cosine.toFixed(2) + (copy ? ', likely a copy' : ''),
        children: [
          explore.subject(seen, name, copy, words, [explore.standing(scale, cosine, words)]),
          explore.element('div', {}, [
            part('Nearest training images', 'image', ready[0].images), part('Nearest samples', 'sample', ready[0].samples),
          ]),
        ],
      };
    });
  }

  /** The left side of the results: the picture as the network sees it, and what to think of it. */
  explore.subject = function (seen, name, copy, words, more) {
    seen.setAttribute('class', 'picture large crisp');
    seen.removeAttribute('aria-hidden');
    seen.setAttribute('role', 'img');
    seen.setAttribute('aria-label', name + ', as it is compared');
    return explore.element('div', {class: 'subject'}, [
      seen, explore.element('h3', {text: name}),
      explore.element('p', {class: copy ? 'verdict marked' : 'verdict'}, [
        copy ? explore.element('strong', {text: 'Likely a copy. '}) : '', words,
      ]),
    ].concat(more));
  };

  function part(title, kind, entries) {
    return explore.element('section', {class: 'neighbourhood'}, [
      explore.element('div', {class: 'heading'}, [explore.element('h3', {text: title})]),
      explore.strip(title + ' of your picture', kind, entries),
    ]);
  }
})();
