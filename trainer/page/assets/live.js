/** The tab of new pictures. */
(function () {
  'use strict';

  const explore = window.explore;
  const COUNT = 24;
  const NARROW = 720; // px: a phone.
  const SEEDS = 1000000; // Short ones, that can be said and typed.

  /**
   * Fills the tab when it is first shown.
   * @param {HTMLElement} panel
   * @returns {{grid: null, shown: function(): Promise, follow: function(URLSearchParams)}} shown is called whenever the
   *   tab is; follow chooses the picture that an address names
   */
  explore.liveTab = function (panel) {
    let filled = null;
    let wanted = null;
    let parts = null;
    const fill = function (maker) {
      parts = build(panel, maker);
      if (!follow()) parts.renew();
    };
    const follow = function () {
      const seed = wanted && wanted.has('seed') ? seedOf(wanted.get('seed')) : -1;
      if (seed < 0) return false;
      parts.renew(explore.latentOf(seed, labelOf(wanted.get('label'))));
      wanted = null;
      return true;
    };
    return {
      grid: null,
      follow: function (address) {
        wanted = address;
        if (parts) follow();
      },
      shown: function () {
        if (!filled) {
          panel.replaceChildren(explore.element('p', {class: 'empty', text: 'Loading the generator …'}));
          filled = explore.makeMaker().then(fill).catch(function (error) {
            panel.replaceChildren(explore.element('p', {class: 'empty', text: error.message}), otherWay());
          }).then(function () { return explore.livePicture(panel); });
        }
        return filled.then(function () { if (parts) parts.draw(); });
      },
    };
  };

  function build(panel, maker) {
    const live = explore.data.start.live;
    const state = {items: [], label: '', chosen: -1};
    const grid = new explore.Grid('New pictures', window.innerWidth < NARROW ? 88 : 112, function (number) { return tile(state, number, choose); });
    const stage = explore.liveStage(maker);
    const walk = explore.liveWalk(maker);
    const error = explore.element('p', {class: 'empty', hidden: true, role: 'alert'});
    const seed = explore.element('input', {
      type: 'text', inputmode: 'numeric', autocomplete: 'off', size: 10, 'aria-describedby': 'seed-rule',
    });
    const rule = explore.element('span', {id: 'seed-rule', class: 'rule'});

    function choose(number) {
      state.chosen = number;
      const latent = state.items[number].latent;
      panel.querySelectorAll('.grid .tile').forEach(function (button) { mark(button, state); });
      stage.show(latent, state.items[number].picture);
      const label = latent.asked && latent.label >= 0 ? '&label=' + encodeURIComponent(live.labels[latent.label]) : '';
      if (window.innerWidth < NARROW) stage.reveal();
      history.replaceState(null, '', '#tab=live&seed=' + latent.seed + label);
    }

    const failed = function (problem) {
      error.textContent = problem.message;
      error.hidden = false;
    };

    /** Makes other pictures, the given one first. */
    const renew = function (first) {
      const latents = Array.from({length: COUNT}, function (_, i) {
        return i === 0 && first ? first : explore.latentOf(Math.floor(SEEDS * Math.random()), labelOf(state.label));
      });
      const items = latents.map(function (latent) { return {latent: latent, picture: null, canvas: canvas()}; });
      state.items = items;
      state.chosen = -1;
      error.hidden = true;
      grid.show(items.map(function (_, i) { return i; }));
      walk.show(latents[0], latents[1]);
      return maker.make(latents, function (number, picture) {
        items[number].picture = picture;
        explore.paint(items[number].canvas, picture);
        if (number === 0 && state.items === items) choose(0);
      }).then(function () { panel.setAttribute('data-made', ''); }, failed);
    };

    const typed = function (event) {
      event.preventDefault();
      const number = seedOf(seed.value);
      rule.textContent = number < 0 ? 'A seed is a whole number from 0 to 2147483647.' : '';
      if (number >= 0) renew(explore.latentOf(number, labelOf(state.label)));
    };
    const label = explore.select('Label', [['', 'as the seed decides']].concat(live.labels.map(function (name, i) {
      return [String(i), name];
    })), function (value) {
      state.label = value === '' ? '' : live.labels[value];
      renew();
    });
    panel.replaceChildren(
      explore.element('p', {class: 'summary', text: (live.note + ' ' + 'Made by ' + maker.how + '.').trim()}),
      explore.element('div', {class: 'tools'}, [
        explore.element('button', {type: 'button', class: 'plain primary', text: 'New pictures', onclick: function () {
          renew().then(function () { explore.announce(COUNT + ' new pictures'); });
        }}),
        live.labels.length ? label : '',
        explore.element('form', {class: 'choice', onsubmit: typed}, [
          explore.element('label', {class: 'choice'}, [explore.element('span', {text: 'Seed'}), seed]),
          explore.element('button', {type: 'submit', class: 'plain', text: 'Show'}), rule,
        ]),
      ]),
      error,
      explore.element('div', {class: 'live'}, [
        stage.element, explore.element('div', {}, [stage.sliders, grid.element]),
      ]),
      walk.element
    );
    stage.onwalk = function (end, latent) { walk.set(end, latent); };
    return {renew: renew, draw: function () { grid.draw(); }};
  }

  /** @returns {HTMLCanvasElement} for one picture */
  function canvas() {
    const made = explore.element('canvas', {class: 'picture', 'aria-hidden': 'true'});
    made.width = made.height = explore.data.start.live.side;
    return made;
  }

  explore.liveCanvas = canvas;

  /** Draws a picture. */
  explore.paint = function (place, picture) {
    place.width = picture.width;
    place.height = picture.height;
    place.getContext('2d').putImageData(picture, 0, 0);
  };

  /** Says what a new picture is: 'Seed 17, dress'. */
  explore.nameOf = function (latent) {
    const label = explore.data.start.live.labels[latent.label];
    return (latent.seed === undefined ? 'Between seeds' : 'Seed ' + latent.seed) + (label ? ', ' + label : '');
  };

  function tile(state, number, choose) {
    const item = state.items[number];
    const name = explore.nameOf(item.latent);
    const button = explore.element('button', {
      type: 'button', class: 'tile', 'data-number': number, 'aria-label': 'new picture, s' + name.slice(1),
      onclick: function () { if (item.picture) choose(number); },
    }, [item.canvas, explore.element('span', {class: 'name', text: name.replace('Seed ', '')})]);
    mark(button, state);
    return button;
  }

  function mark(button, state) {
    const chosen = Number(button.dataset.number) === state.chosen;
    button.classList.toggle('chosen', chosen);
    button.setAttribute('aria-pressed', String(chosen));
  }

  /** What to do where the page as it lies on the disk does not work. */
  function otherWay() {
    const folder = decodeURIComponent(location.pathname.replace(/[^/]*$/, ''));
    if (!explore.data.start.live.embedded || location.protocol !== 'file:') return '';
    return explore.command('python -m http.server --directory ' + explore.quoted(folder),
      'The page may work from a server; this one serves it to this computer:');
  }

  /** A seed as it is typed, -1 if it is none. */
  function seedOf(text) {
    const seed = /^\s*[0-9]{1,10}\s*$/.test(text) ? Number(text) : -1;
    return seed <= explore.MOST_SEED ? seed : -1;
  }

  /** The number of a label by its name, undefined if there is none of this name. */
  function labelOf(name) {
    const number = explore.data.start.live.labels.indexOf(name);
    return number < 0 ? undefined : number;
  }
})();
