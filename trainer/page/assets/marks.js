/** Marks that people give to images with the mouse or the keys, and take away as a CSV file. Nothing is sent. */
(function () {
  'use strict';

  const explore = window.explore;
  const MOST = 9; // Labels that have a key.

  /**
   * The tools of the mark mode.
   * @param {Object} data of the data set
   * @param {Grid} grid whose tiles are marked
   * @returns {{element: HTMLElement, of: function(number): string, take: function(number): boolean}} the tools; the mark
   *     of an image, '' if it has none; and what a click on an image does: whether the click was for a mark
   */
  explore.markMode = function (data, grid) {
    const marks = new Map();
    const state = {on: false, current: '', saved: true};
    const labels = explore.element('input', {type: 'text', id: 'mark-labels', value: start(data), spellcheck: 'false'});
    const choices = explore.element('div', {class: 'marks', role: 'radiogroup', 'aria-label': 'Label to mark with'});
    const save = explore.element('button', {type: 'button', class: 'plain', onclick: download});
    const hint = explore.element('p', {class: 'hint', text:
      'Click an image to mark it with the chosen label, and again to take the mark away. On an image, the keys 1 to 9 mark ' +
      'with a label, and 0 takes the mark away; the arrow keys go on to the next.'});
    const box = explore.element('input', {type: 'checkbox', onchange: function () { turn(box.checked); }});
    const panel = explore.element('div', {class: 'marking', hidden: true}, [
      explore.element('label', {class: 'choice'}, [explore.element('span', {text: 'Labels, separated by commas'}), labels]),
      choices, save, hint,
    ]);
    labels.addEventListener('input', offer);
    grid.element.addEventListener('keydown', onKey);
    window.addEventListener('beforeunload', function (event) { if (!state.saved) event.preventDefault(); });
    offer();
    told();

    function turn(on) {
      state.on = on;
      panel.hidden = !on;
      redraw();
    }

    /** The labels that the field names, each once. */
    function names() {
      const all = labels.value.split(',').map(function (name) { return name.trim(); }).filter(Boolean);
      return Array.from(new Set(all));
    }

    function offer() {
      if (names().indexOf(state.current) < 0) state.current = names()[0] || '';
      choices.replaceChildren.apply(choices, names().map(function (name, i) {
        const radio = explore.element('input', {
          type: 'radio', name: 'mark', checked: name === state.current, onchange: function () { state.current = name; },
        });
        return explore.element('label', {}, [radio, (i < MOST ? i + 1 + ' ' : '') + name]);
      }));
    }

    function onKey(event) {
      if (!state.on || event.altKey || event.ctrlKey || event.metaKey || !/^[0-9]$/.test(event.key)) return;
      const name = event.key === '0' ? '' : names()[Number(event.key) - 1];
      if (name === undefined || !event.target.closest('.tile')) return;
      event.preventDefault();
      put(grid.items[grid.current], name);
    }

    function put(index, name) {
      if (name) marks.set(index, name);
      else marks.delete(index);
      state.saved = marks.size === 0;
      told();
      redraw();
      explore.announce(name ? 'marked ' + name : 'not marked');
    }

    function redraw() {
      const focused = grid.element.contains(document.activeElement);
      grid.clear();
      grid.draw();
      if (focused) grid.focus(grid.current);
    }

    function told() {
      save.textContent = 'Download marks.csv (' + explore.count(marks.size, 'image') + ')';
      save.disabled = marks.size === 0;
    }

    function download() {
      const rows = Array.from(marks, function (pair) { return cell(data.names[pair[0]]) + ',' + cell(pair[1]) + '\n'; });
      const file = new Blob(['name,label\n'].concat(rows), {type: 'text/csv'});
      const address = URL.createObjectURL(file);
      explore.element('a', {href: address, download: 'marks.csv'}).click();
      setTimeout(function () { URL.revokeObjectURL(address); }, 1000);
      state.saved = true;
    }

    return {
      element: explore.element('div', {}, [explore.element('label', {class: 'choice'}, [box, 'Mark images']), panel]),
      of: function (index) { return state.on ? marks.get(index) || '' : ''; },
      take: function (index) {
        if (!state.on || !state.current) return state.on;
        put(index, marks.get(index) === state.current ? '' : state.current);
        return true;
      },
    };
  };

  /** The labels to begin with: those of the set if they are more than one, else two that say what to keep. */
  function start(data) {
    return (data.labelNames.length > 1 ? data.labelNames : ['good', 'bad']).join(', ');
  }

  /** A cell of a CSV file, quoted where it must be; an apostrophe keeps a spreadsheet from running it as a formula. */
  function cell(text) {
    const safe = /^[=+@-]/.test(text) ? "'" + text : text;
    return /[",\r\n]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
  }
})();
