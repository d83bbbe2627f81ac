/** Puts the page together, and keeps what is shown in the address, so that it can be sent to somebody. */
(function () {
  'use strict';

  const explore = window.explore;
  const start = explore.data.start;
  const tabs = {};
  let active = '';
  let dialog = null;

  /** Says what an item is, for ears and tooltips. */
  explore.describe = function (kind, index) {
    return kind === 'sample' ? explore.describeSample(index) : explore.describeImage(index);
  };

  /**
   * Opens the details of an item.
   * @param {string} kind 'sample' or 'image'
   * @param {number} index
   */
  explore.open = function (kind, index) {
    setAddress(kind + '=' + (kind === 'sample' ? start.generated.seeds[index] : explore.numberOf(index)));
  };

  /** The place on the page of a training image by its number, -1 if it is not here. */
  function placeOf(number) {
    const numbers = start.thumbnails && start.thumbnails.numbers;
    return numbers ? numbers.indexOf(number) : number;
  }

  function setAddress(detail) {
    location.hash = 'tab=' + active + (detail ? '&' + detail : '');
  }

  /** Shows what the address says. */
  function follow() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const tab = tabs[wanted.get('tab')] ? wanted.get('tab') : active || Object.keys(tabs)[0];
    const shown = select(tab);
    if (tab === 'live') tabs.live.follow(wanted);
    const kind = wanted.has('sample') && start.generated ? 'sample' : 'image';
    const number = wanted.has(kind) ? Number(wanted.get(kind)) : -1;
    const index = kind === 'sample' ? start.generated.seeds.indexOf(number) : placeOf(number);
    const sheets = start[kind === 'sample' ? 'samples' : 'thumbnails'];
    if (sheets && index >= 0 && index < sheets.count) {
      return dialog.show(kind, index);
    }
    dialog.hide();
    return shown;
  }

  function select(name) {
    if (name === active) return undefined;
    active = name;
    Object.keys(tabs).forEach(function (other) {
      const button = document.getElementById('tab-' + other);
      button.setAttribute('aria-selected', String(other === name));
      button.tabIndex = other === name ? 0 : -1;
      document.getElementById('panel-' + other).hidden = other !== name;
    });
    return tabs[name].shown();
  }

  function makeTabs() {
    const list = document.getElementById('tabs');
    const there = {generated: start.generated, dataset: start.thumbnails, live: start.live};
    Object.keys(there).forEach(function (name) {
      const button = document.getElementById('tab-' + name);
      if (!there[name]) {
        button.remove();
        return;
      }
      tabs[name] = explore[name + 'Tab'](document.getElementById('panel-' + name));
      button.addEventListener('click', function () { location.hash = 'tab=' + name; });
    });
    const names = Object.keys(tabs);
    if (names.length === 1) {
      const panel = document.getElementById('panel-' + names[0]);
      panel.removeAttribute('role');
      panel.setAttribute('aria-label', document.getElementById('tab-' + names[0]).textContent);
      panel.removeAttribute('aria-labelledby');
      return;
    }
    list.hidden = false;
    list.addEventListener('keydown', function (event) {
      const target = explore.step(event, names.indexOf(active), names.length, names.length, 1);
      if (target < 0) return;
      event.preventDefault();
      location.hash = 'tab=' + names[target];
      document.getElementById('tab-' + names[target]).focus();
    });
  }

  function makeDialog() {
    const gridOf = function (kind) { return kind === 'sample' ? tabs.generated.grid : tabs.dataset.grid; };
    const leave = function (kind, index) {
      setAddress('');
      const grid = tabs[active].grid;
      if (!grid || grid.element.hidden || !grid.items.length) return; // Among duplicates the browser itself goes back.
      const position = grid === gridOf(kind) ? grid.items.indexOf(index) : -1;
      grid.focus(position < 0 ? grid.current : position);
    };
    return explore.makeDialog(leave, function (kind) { return gridOf(kind).items; });
  }

  function begin() {
    if (!start) {
      document.getElementById('facts').replaceWith('data/start.js is missing: write the page again');
      return;
    }
    document.title = start.title;
    document.getElementById('title').textContent = start.title;
    explore.facts(document.getElementById('facts'), start.facts);
    const about = document.getElementById('about-copies');
    if (start.generated) about.querySelector('span').textContent = start.generated.scale.of;
    else about.remove();
    if (!start.thumbnails && !start.live.predict) document.querySelector('footer').remove();
    makeTabs();
    dialog = makeDialog();
    window.addEventListener('hashchange', follow);
    const first = ['samples', 'thumbnails'].filter(function (kind) { return start[kind]; })[0];
    Promise.all([follow(), first ? explore.firstSheet(first) : null]).then(function () {
      requestAnimationFrame(function () {
        performance.mark('first-grid'); // tests/benchmarks/page_load.py reads it.
        document.documentElement.setAttribute('data-ready', '');
        if (start.thumbnails) explore.load('dataset').catch(function () {}); // Whoever needs it says that it is missing.
      });
    });
  }

  begin();
})();
