/** A walk between two pictures along a great circle. */
(function () {
  'use strict';

  const explore = window.explore;
  const THERE_MS = 4000; // From one picture to the other.

  /**
   * @param {Object} maker of pictures
   * @returns {{element: HTMLElement, show: function(Object, Object), set: function(string, Object)}} show begins a walk;
   *   set changes its end 'from' or 'to'
   */
  explore.liveWalk = function (maker) {
    const ends = {from: null, to: null};
    const stills = {from: explore.liveCanvas(), to: explore.liveCanvas()};
    const names = {from: explore.element('span'), to: explore.element('span')};
    const large = explore.liveCanvas();
    const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    const way = explore.element('input', {
      type: 'range', min: 0, max: 1, step: 0.01, value: 0.5, 'aria-label': 'Way from the one to the other',
      oninput: function () {
        stop();
        draw();
      },
    });
    const play = explore.element('button', {type: 'button', class: 'plain', text: 'Play', hidden: still, onclick: function () {
      if (playing) stop();
      else start();
    }});
    let playing = null;
    large.setAttribute('class', 'picture large crisp');
    large.removeAttribute('aria-hidden');
    large.setAttribute('role', 'img');

    const redraw = explore.newestOnly(function (latent) {
      return maker.make([latent], function (_, picture) { explore.paint(large, picture); });
    });

    function draw() {
      const part = Number(way.value);
      const share = Math.round(100 * part) + '%';
      way.setAttribute('aria-valuetext', share);
      large.setAttribute('aria-label', 'picture at ' + share + ' of the way');
      redraw(explore.between(ends.from, ends.to, part));
    }

    function drawEnd(end) {
      names[end].textContent = explore.nameOf(ends[end]);
      maker.make([ends[end]], function (_, picture) { explore.paint(stills[end], picture); }).catch(function () {});
    }

    /** There and back; the position follows the clock, so a slow machine shows fewer pictures. */
    function start() {
      const begun = performance.now() - THERE_MS * Number(way.value);
      const step = function (now) {
        if (!play.isConnected || play.offsetParent === null) return stop(); // The tab was left.
        const phase = Math.max(0, now - begun) / THERE_MS % 2;
        way.value = phase < 1 ? phase : 2 - phase;
        draw();
        playing = requestAnimationFrame(step);
        return undefined;
      };
      playing = requestAnimationFrame(step);
      play.textContent = 'Pause';
    }

    function stop() {
      if (playing) cancelAnimationFrame(playing);
      playing = null;
      play.textContent = 'Play';
    }

    return {
      element: explore.element('section', {class: 'walk', 'aria-labelledby': 'walk-title'}, [
        explore.element('h2', {id: 'walk-title', text: 'A walk between two pictures'}),
        explore.element('p', {class: 'hint', text: 'Choose a picture above, then Walk from here or Walk to here.'}),
        explore.element('div', {class: 'way'}, [
          explore.element('figure', {}, [stills.from, explore.element('figcaption', {}, ['From: ', names.from])]),
          explore.element('div', {class: 'middle'}, [large, explore.element('div', {class: 'choice'}, [way, play])]),
          explore.element('figure', {}, [stills.to, explore.element('figcaption', {}, ['To: ', names.to])]),
        ]),
      ]),
      show: function (from, to) {
        stop();
        ends.from = from;
        ends.to = to;
        drawEnd('from');
        drawEnd('to');
        draw();
      },
      set: function (end, latent) {
        ends[end] = latent;
        drawEnd(end);
        draw();
      },
    };
  };
})();
