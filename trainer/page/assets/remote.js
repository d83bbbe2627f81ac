/** The server behind the page, where trainer.serve has written it: it makes pictures, and finds training images. */
(function () {
  'use strict';

  const explore = window.explore;
  const AT_ONCE = 16; // Pictures of one request.
  const MOST_SENT = 512; // px: the side of a picture that is sent.

  /** @returns {{how: string, make: function(Array<Object>, function(number, ImageData)): Promise}} as explore.makeMaker */
  explore.remoteMaker = function () {
    const make = function (latents, give, done) {
      const part = latents.slice(done, done + AT_ONCE);
      if (!part.length) return Promise.resolve();
      return ask(part.map(instance)).then(function (answers) {
        return Promise.all(answers.map(function (answer) { return explore.decoded(answer.image.b64); }));
      }).then(function (pictures) {
        pictures.forEach(function (picture, i) { give(done + i, picture); });
        return make(latents, give, done + part.length);
      });
    };
    return {how: 'the server', make: function (latents, give) { return make(latents, give, 0); }};
  };

  /**
   * @param {HTMLCanvasElement} canvas a picture
   * @returns {Promise<Object>} what the server says is on it, and what it is like
   */
  explore.askAbout = function (canvas) {
    const scale = Math.min(1, MOST_SENT / Math.max(canvas.width, canvas.height));
    const small = explore.element('canvas');
    small.width = Math.max(1, Math.round(scale * canvas.width));
    small.height = Math.max(1, Math.round(scale * canvas.height));
    small.getContext('2d').drawImage(canvas, 0, 0, small.width, small.height);
    const sent = small.toDataURL('image/png');
    return ask([{image: {b64: sent.slice(sent.indexOf(',') + 1)}}]).then(function (answers) { return answers[0]; });
  };

  /** Shows what the server has answered about a picture. */
  explore.answered = function (canvas, name, answer) {
    const nearest = answer.neighbours || [];
    const copy = nearest.length > 0 && nearest[0].likely_copy;
    const label = answer.label ? answer.label + ', confidence ' + explore.percent(answer.confidence) + '. ' : '';
    const words = label + (nearest.length ? 'Nearest training image: cosine ' + nearest[0].cosine.toFixed(2) + '.' : '');
    const tiles = nearest.map(function (one) {
      return figure(one.image.b64, [one.name, one.label].filter(Boolean).join(', '), one.cosine, one.likely_copy);
    });
    const right = [section('Nearest training images', tiles)];
    if (answer.sample) {
      right.push(section('Nearest sample', [figure(answer.sample.image.b64, 'seed ' + answer.sample.seed, answer.sample.cosine)]));
    }
    return {words: name + ': ' + words, children: [
      explore.subject(canvas, name, copy, words, []), explore.element('div', {}, right),
    ]};
  };

  function section(title, figures) {
    return explore.element('section', {class: 'neighbourhood'}, [
      explore.element('div', {class: 'heading'}, [explore.element('h3', {text: title})]),
      explore.element('ul', {class: 'strip', 'aria-label': title + ' of your picture'}, figures),
    ]);
  }

  function figure(b64, name, cosine, copy) {
    const score = cosine.toFixed(2);
    return explore.element('li', {class: 'tile'}, [
      explore.element('img', {
        class: 'picture', src: 'data:image/png;base64,' + b64, title: name,
        alt: name + ', cosine ' + score + (copy ? ', likely a copy' : ''),
      }),
      explore.element('span', {class: 'score', text: score + (copy ? ' copy?' : ''), 'aria-hidden': 'true'}),
    ]);
  }

  /** @returns {Promise<ImageData>} a picture in base64 */
  explore.decoded = function (b64) {
    return createImageBitmap(new Blob([explore.bytesOf(b64)])).then(function (bitmap) {
      const canvas = explore.element('canvas');
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      const pen = canvas.getContext('2d');
      pen.drawImage(bitmap, 0, 0);
      return pen.getImageData(0, 0, canvas.width, canvas.height);
    });
  };

  function instance(latent) {
    const label = explore.data.start.live.labels[latent.label];
    if (latent.seed === undefined) return Object.assign({noise: Array.from(latent.noise)}, label ? {label: label} : {});
    return Object.assign({seed: latent.seed}, latent.asked && label ? {label: label} : {});
  }

  function ask(instances) {
    return fetch(explore.data.start.live.predict, {
      method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({instances: instances}),
    }).catch(function () {
      throw new Error('The server does not answer.');
    }).then(function (response) {
      if (response.ok) return response.json();
      return response.text().then(function (text) { throw new Error(reason(text) || 'The server answered ' + response.status + '.'); });
    }).then(function (answer) { return answer.predictions; });
  }

  /** The line that the server gives, out of {"error": …} or as it is. */
  function reason(text) {
    try {
      const said = JSON.parse(text).error;
      return typeof said === 'string' ? said : '';
    } catch (error) {
      return text.slice(0, 200);
    }
  }
})();
