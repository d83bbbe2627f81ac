/** The tab of the data set. */
(function () {
  'use strict';

  const explore = window.explore;
  const CLUSTERS = 100; // Groups of duplicates shown at a time.

  /**
   * Fills the tab when it is first shown.
   * @param {HTMLElement} panel
   * @returns {{grid: Grid, shown: function(): Promise}} shown is called whenever the tab is
   */
  explore.datasetTab = function (panel) {
    const grid = new explore.Grid('Training images', 88, function (index) { return tile(index, marking); });
    let filled = null;
    let marking = null;
    const total = explore.data.start.thumbnails.total;
    const fill = function (data) {
      marking = data.names.some(Boolean) ? explore.markMode(data, grid) : null;
      const chosen = {order: 'record', label: ''};
      const count = explore.element('p', {class: 'count'});
      const empty = explore.element('p', {class: 'empty', hidden: true});
      const groups = explore.element('div', {class: 'groups'});
      const refill = function () {
        const inGroups = chosen.order === 'duplicates';
        const kept = function (i) { return chosen.label === '' || data.labels[i] === Number(chosen.label); };
        const items = inGroups ? [] : ordered(data, chosen.order).filter(kept);
        const clusters = inGroups ? data.clusters.filter(function (cluster) { return cluster.some(kept); }) : [];
        grid.element.hidden = inGroups;
        groups.hidden = !inGroups;
        grid.show(items);
        showGroups(groups, clusters, CLUSTERS);
        empty.hidden = items.length + clusters.length > 0;
        empty.textContent = inGroups ? 'No image was found twice.' : 'No image has this label.';
        count.textContent = inGroups ? explore.count(clusters.length, 'group') + ' of duplicates'
          : explore.count(items.length, 'image');
        if (total) count.textContent += ' on this page, of ' + explore.number(total) + ' in the set';
      };
      const change = function (name, value) {
        chosen[name] = value;
        refill();
        explore.announce(count.textContent);
      };
      panel.replaceChildren(
        advice(data),
        explore.element('div', {class: 'tools'}, [
          explore.select('Show', orders(data), function (order) { change('order', order); }),
        ].concat(labelChoice(data, change), [count])),
        marking ? marking.element : '', empty, groups, grid.element
      );
      refill();
    };
    return {
      grid: grid,
      shown: function () {
        if (!filled) {
          panel.append(explore.element('p', {class: 'empty', text: 'Loading the data set …'}));
          filled = explore.load('dataset').then(fill).catch(function (error) {
            panel.replaceChildren(explore.element('p', {class: 'empty', text: error.message}));
          });
        }
        return filled.then(function () { grid.draw(); });
      },
    };
  };

  /** The number in the data set of a training image of the page, which may have only some of them. */
  explore.numberOf = function (index) {
    const numbers = explore.data.start.thumbnails.numbers;
    return numbers ? numbers[index] : index;
  };

  /** Says what a training image is, for ears and tooltips. Its name may not be loaded yet. */
  explore.describeImage = function (index) {
    const data = explore.data.dataset;
    const name = data ? data.names[index] : '';
    return 'training image ' + explore.numberOf(index) + (name ? ', ' + name : '') + (data && labelOf(data, index) ? ', ' + labelOf(data, index) : '');
  };

  /** @returns {string} the label's name, '' if there is none. */
  explore.labelOf = labelOf;

  function labelOf(data, index) {
    const label = data.labels[index];
    return label < 0 ? '' : data.labelNames[label] || 'label ' + label;
  }

  function tile(index, marking) {
    const mark = marking ? marking.of(index) : '';
    return explore.element('button', {
      type: 'button',
      class: mark ? 'tile marked' : 'tile',
      'aria-label': explore.describeImage(index) + (mark ? ', marked ' + mark : ''),
      title: explore.data.dataset.names[index],
      onclick: function () { if (!marking || !marking.take(index)) explore.open('image', index); },
    }, [explore.picture('thumbnails', index), mark ? explore.element('span', {class: 'badge', text: mark}) : '']);
  }

  function orders(data) {
    const choices = [['record', 'all, in their order']];
    if (data.density) choices.push(['outliers', 'all, outliers first'], ['typical', 'all, most typical first']);
    if (data.suspects.length) {
      choices.push(['suspects', 'suspicious labels (' + explore.count(data.suspects.length, 'image') + ')']);
    }
    choices.push(['duplicates', 'duplicates (' + explore.count(data.clusters.length, 'group') + ')']);
    return choices;
  }

  function ordered(data, order) {
    if (order === 'suspects') return data.suspects.map(function (suspect) { return suspect.number; });
    const items = data.names.map(function (_, i) { return i; });
    if (order === 'record') return items;
    const sign = order === 'outliers' ? 1 : -1;
    return items.sort(function (a, b) { return sign * (data.density[a] - data.density[b]) || a - b; });
  }

  function labelChoice(data, change) {
    const counts = new Map();
    data.labels.forEach(function (label) { counts.set(label, (counts.get(label) || 0) + 1); });
    if (counts.size < 2) return [];
    const options = Array.from(counts.keys()).sort(function (a, b) { return a - b; }).map(function (label) {
      const name = label < 0 ? 'without a label' : data.labelNames[label] || 'label ' + label;
      return [String(label), name + ' (' + explore.number(counts.get(label)) + ')'];
    });
    return [explore.select('Label', [['', 'any']].concat(options), function (value) { change('label', value); })];
  }

  function advice(data) {
    const parts = [];
    if (data.notes.length) {
      parts.push(explore.element('ul', {class: 'notes'}, data.notes.map(function (note) {
        return explore.element('li', {text: note});
      })));
    }
    if (data.figures.length) {
      parts.push(explore.element('div', {class: 'figures'}, data.figures.map(function (figure) {
        return explore.element('figure', {}, [
          explore.element('figcaption', {text: figure.title}), explore.histogram(figure, 'Histogram: ' + figure.title),
        ]);
      })));
    }
    return explore.element('div', {class: 'advice'}, parts);
  }

  function showGroups(place, clusters, most) {
    place.replaceChildren.apply(place, clusters.slice(0, most).map(function (cluster, number) {
      const title = 'Group ' + (number + 1) + ', ' + explore.count(cluster.length, 'image');
      const entries = cluster.map(function (index) { return {index: index}; });
      return explore.element('section', {class: 'group'}, [
        explore.element('h3', {text: title}), explore.strip(title, 'image', entries),
      ]);
    }));
    if (clusters.length > most) {
      place.append(explore.element('button', {
        type: 'button', class: 'plain', text: 'Show ' + explore.number(clusters.length - most) + ' more',
        onclick: function () { showGroups(place, clusters, clusters.length); },
      }));
    }
  }
})();
