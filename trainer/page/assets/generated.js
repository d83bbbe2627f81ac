/** The tab of the samples. */
(function () {
  'use strict';

  const explore = window.explore;
  const ORDERS = [
    ['seed', 'by seed'],
    ['near', 'most like a training image first'],
    ['far', 'least like any training image first'],
  ];

  /**
   * Fills the tab.
   * @param {HTMLElement} panel
   * @returns {{grid: Grid, shown: function()}} shown is called whenever the tab is
   */
  explore.generatedTab = function (panel) {
    const generated = explore.data.start.generated;
    const copies = new Set(generated.copies);
    const grid = new explore.Grid('Generated samples', 104, function (index) { return tile(index, copies); });
    const empty = explore.element('p', {class: 'empty', text: 'No sample is marked as a likely copy.', hidden: true});
    const count = explore.element('p', {class: 'count'});
    const chosen = {order: 'seed', onlyCopies: false, label: ''};

    const refill = function () {
      const items = ordered(generated, chosen.order).filter(function (i) {
        return (!chosen.onlyCopies || copies.has(i)) && (!chosen.label || generated.labels[i] === chosen.label);
      });
      grid.show(items);
      empty.hidden = items.length > 0;
      count.textContent = explore.count(items.length, 'sample') + (chosen.label ? ' of ' + chosen.label : '') +
        (chosen.onlyCopies ? ', only likely copies' : '');
    };
    const change = function () {
      refill();
      explore.announce(count.textContent);
    };
    const filter = explore.element('input', {type: 'checkbox', onchange: function () {
      chosen.onlyCopies = filter.checked;
      change();
    }});
    panel.append(
      explore.element('p', {class: 'summary', text: summary(generated)}),
      explore.element('div', {class: 'tools'}, [
        explore.select('Sorted', ORDERS, function (order) {
          chosen.order = order;
          change();
        }),
        generated.labels.length ? explore.select('Label', labelChoices(generated.labels), function (label) {
          chosen.label = label;
          change();
        }) : '',
        explore.element('label', {class: 'choice'}, [
          filter, explore.element('span', {text: 'Only likely copies (' + copies.size + ')'}),
        ]),
        count,
      ]),
      empty,
      grid.element
    );
    refill();
    return {grid: grid, shown: function () { grid.draw(); }};
  };

  /** Says what a sample is, for ears and tooltips. */
  explore.describeSample = function (index) {
    const generated = explore.data.start.generated;
    return 'sample' + ofLabel(generated, index) + ', seed ' + generated.seeds[index] + ', nearest training image cosine ' +
      generated.cosines[index].toFixed(2) + (generated.copies.indexOf(index) >= 0 ? ', likely a copy' : '');
  };

  /** The names of the classes of the samples, each once, as choices. */
  function labelChoices(labels) {
    const names = Array.from(new Set(labels)).filter(Boolean).sort();
    return [['', 'all']].concat(names.map(function (name) { return [name, name]; }));
  }

  function ofLabel(generated, index) {
    return generated.labels[index] ? ' of ' + generated.labels[index] : '';
  }

  function tile(index, copies) {
    const generated = explore.data.start.generated;
    const name = generated.seeds[index] + (generated.labels[index] ? ' ' + generated.labels[index] : '');
    const children = [
      explore.picture('samples', index),
      explore.element('span', {class: 'name', text: name}),
    ];
    if (copies.has(index)) children.push(explore.element('span', {class: 'badge', text: 'copy?'}));
    return explore.element('button', {
      type: 'button',
      class: copies.has(index) ? 'tile marked' : 'tile',
      'aria-label': explore.describeSample(index),
      onclick: function () { explore.open('sample', index); },
    }, children);
  }

  function ordered(generated, order) {
    const items = generated.seeds.map(function (_, i) { return i; });
    if (order === 'seed') return items.sort(function (a, b) { return generated.seeds[a] - generated.seeds[b]; });
    const sign = order === 'near' ? -1 : 1;
    return items.sort(function (a, b) { return sign * (generated.cosines[a] - generated.cosines[b]) || a - b; });
  }

  function summary(generated) {
    const marked = generated.copies.length;
    const all = explore.count(generated.seeds.length, 'sample');
    if (!marked) return 'None of ' + all + ' is marked as a likely copy; about 1% of real images would be.';
    const share = (100 * marked / generated.seeds.length).toFixed(1);
    return explore.number(marked) + ' of ' + all + ' (' + share + '%)' + (marked === 1 ? ' is' : ' are') +
      ' marked as ' + (marked === 1 ? 'a likely copy' : 'likely copies') +
      '; about 1% of real images would be.';
  }
})();
