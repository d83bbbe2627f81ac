/** The chosen picture, large, with its command and the sliders. */
(function () {
  'use strict';

  const explore = window.explore;
  const REACH = 4; // Of a slider to both sides; the noise itself has a length of about 10.

  /**
   * @param {Object} maker of pictures
   * @returns {{element: HTMLElement, sliders: HTMLElement, show: function(Object, ImageData), reveal: function(),
   *   onwalk: function(string, Object)}} reveal scrolls to it; onwalk is called with 'from' or 'to' and what the picture
   *   is made from
   */
  explore.liveStage = function (maker) {
    const live = explore.data.start.live;
    const state = {latent: null, steps: live.directions.map(function () { return 0; }), picture: null};
    const large = explore.liveCanvas();
    const title = explore.element('h2', {class: 'title'});
    const command = explore.element('div');
    const sliders = live.directions.map(function (_, number) { return slider(number, moved); });
    const reset = explore.element('button', {type: 'button', class: 'plain', text: 'Reset', disabled: true, onclick: function () {
      setAll(sliders, state.steps);
      moved();
      explore.announce('Sliders reset');
    }});
    large.setAttribute('class', 'picture large crisp');
    large.removeAttribute('aria-hidden');
    large.setAttribute('role', 'img');

    const redraw = explore.newestOnly(function (latent) {
      return maker.make([latent], function (_, picture) { draw(picture); });
    });

    function draw(picture) {
      state.picture = picture;
      explore.paint(large, picture);
    }

    function moved() {
      sliders.forEach(function (part, number) { state.steps[number] = Number(part.input.value); });
      describe();
      redraw(explore.moved(state.latent, state.steps));
    }

    function describe() {
      const away = state.steps.some(Boolean);
      const name = explore.nameOf(state.latent);
      reset.disabled = !away;
      title.textContent = name + (away ? ', moved' : '');
      large.setAttribute('aria-label', 'chosen picture, s' + name.slice(1) + (away ? ', moved by the sliders' : ''));
      command.replaceChildren(away
        ? explore.element('p', {class: 'hint', text: 'A moved picture has no seed; after a reset there is a command for it.'})
        : live.command ? explore.command(commandOf(live, state.latent)) : '');
    }

    const made = {
      element: explore.element('section', {class: 'stage', 'aria-label': 'Chosen picture'}, [
        large, title, command,
        explore.element('div', {class: 'buttons'}, [
          walkButton('Walk from here', 'from'), walkButton('Walk to here', 'to'),
          explore.findsHere() ? explore.element('button', {
            type: 'button', class: 'plain', text: 'What is it like?',
            onclick: function () { if (state.picture) explore.findPicture(state.picture, title.textContent); },
          }) : '',
        ]),
      ]),
      sliders: sliders.length ? explore.element('fieldset', {class: 'sliders'}, [
        explore.element('legend', {text: 'Change the chosen picture along the directions that change most'}),
      ].concat(sliders.map(function (part) { return part.element; }), [reset])) : '',
      show: function (latent, picture) {
        state.latent = latent;
        setAll(sliders, state.steps);
        describe();
        draw(picture);
      },
      reveal: function () {
        const place = large.getBoundingClientRect();
        if (place.bottom < 0 || place.top > window.innerHeight) large.scrollIntoView({block: 'start'});
      },
      onwalk: function () {},
    };

    function walkButton(text, end) {
      return explore.element('button', {type: 'button', class: 'plain', text: text, onclick: function () {
        if (!state.latent) return;
        made.onwalk(end, explore.moved(state.latent, state.steps));
        explore.announce(end === 'from' ? 'The walk begins here' : 'The walk ends here');
      }});
    }

    return made;
  };

  function slider(number, changed) {
    const shown = explore.element('span', {class: 'amount', 'aria-hidden': 'true', text: '0'});
    const input = explore.element('input', {
      type: 'range', min: -REACH, max: REACH, step: 0.1, value: 0,
      oninput: function () {
        shown.textContent = input.value;
        changed();
      },
    });
    const element = explore.element('label', {class: 'slider'}, [
      explore.element('span', {text: 'Direction ' + (number + 1)}), input, shown,
    ]);
    return {element: element, input: input, shown: shown};
  }

  function setAll(sliders, steps) {
    sliders.forEach(function (part, number) {
      part.input.value = 0;
      part.shown.textContent = '0';
      steps[number] = 0;
    });
  }

  /** The command for a picture; a class is named only if it is not the one that the seed decides. */
  function commandOf(live, latent) {
    const label = latent.asked && latent.label >= 0 ? ' --label=' + explore.quoted(live.labels[latent.label]) : '';
    return live.command + ' --seeds=' + latent.seed + label;
  }
})();
