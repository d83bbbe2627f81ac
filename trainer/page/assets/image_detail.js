/** What the dialog shows of a training image. */
(function () {
  'use strict';

  const explore = window.explore;

  /**
   * @param {number} index of the image
   * @param {Object} data of the data set
   * @param {Object} neighbours
   * @returns {{title: string, body: Array<Node>}}
   */
  explore.imageDetail = function (index, data, neighbours) {
    const number = explore.number(explore.numberOf(index));
    const facts = [['Number', number]];
    if (data.names[index]) facts.unshift(['File', data.names[index]]);
    if (explore.labelOf(data, index)) facts.push(['Label', explore.labelOf(data, index)]);
    const suspect = data.suspects.filter(function (one) { return one.number === index; })[0];
    if (suspect) {
      facts.push(['Suspicious', suspect.suggested + ' fits better; confidence in the label it has ' +
        explore.percent(suspect.confidence)]);
    }
    if (data.density) facts.push(['Typical', typical(data.density, index)]);
    const left = explore.element('div', {class: 'subject'}, [
      explore.large('thumbnails', index, 'training image ' + explore.numberOf(index)),
      explore.facts(explore.element('dl', {class: 'facts'}), facts),
    ]);
    const right = explore.element('div', {}, []);
    const twins = data.clusters.filter(function (cluster) { return cluster.indexOf(index) >= 0; })[0];
    if (twins) {
      const others = twins.filter(function (other) { return other !== index; });
      right.append(explore.element('section', {class: 'neighbourhood'}, [
        explore.element('h3', {text: 'Duplicates'}),
        explore.strip('Duplicates', 'image', others.map(function (other) { return {index: other}; })),
      ]));
    }
    if (neighbours.samples.length) {
      right.append(explore.neighbourhood('Nearest samples', 'sample', neighbours.samples, index));
    }
    if (neighbours.images.length) {
      right.append(explore.neighbourhood('Nearest training images', 'image', neighbours.images, index));
    }
    return {title: 'Training image ' + number, body: [left, right]};
  };

  /**
   * Fills a list of names and values.
   * @param {HTMLElement} list a dl
   * @param {Array<Array<string>>} facts
   * @returns {HTMLElement} the list
   */
  explore.facts = function (list, facts) {
    facts.forEach(function (fact) {
      list.append(explore.element('div', {}, [
        explore.element('dt', {text: fact[0]}), explore.element('dd', {text: fact[1]}),
      ]));
    });
    return list;
  };

  function typical(density, index) {
    const lower = density.filter(function (value) { return value < density[index]; }).length;
    return 'more than ' + explore.percent(lower / density.length) + ' of the images' + (explore.data.start.thumbnails.numbers ? ' on this page' : '');
  }
})();
