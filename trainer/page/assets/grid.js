/** A grid of any number of tiles, of which only the rows in sight are in the document. */
(function () {
  'use strict';

  const explore = window.explore;
  const GAP = 8;
  const BEYOND = 400; // px above and below the window that are drawn as well.

  class Grid {
    /**
     * @param {string} label what the grid holds, said by screen readers
     * @param {number} smallest the least side of a tile in px
     * @param {function(number): HTMLElement} tile makes the button of an item
     */
    constructor(label, smallest, tile) {
      this.element = explore.element('div', {class: 'grid', role: 'grid', 'aria-label': label, 'aria-readonly': 'true'});
      this.smallest = smallest;
      this.tile = tile;
      this.items = [];
      this.rows = new Map();
      this.current = 0; // The position that Tab leads to.
      this.columns = 1;
      this.side = smallest;
      this.element.addEventListener('keydown', this.onKey.bind(this));
      this.element.addEventListener('focusin', this.onFocus.bind(this));
      const draw = this.drawSoon.bind(this);
      window.addEventListener('scroll', draw, {passive: true});
      window.addEventListener('resize', draw);
    }

    /** Shows other items, or the same in another order. */
    show(items) {
      this.items = items;
      this.current = 0;
      this.clear();
      this.draw();
    }

    /** Puts the focus on a tile, and the tile in sight. */
    focus(position) {
      const before = this.rows.get(Math.floor(this.current / this.columns));
      if (before) before.querySelectorAll('button').forEach(function (button) { button.tabIndex = -1; });
      this.current = position;
      this.reveal(position);
      this.draw();
      const button = this.button(position);
      button.tabIndex = 0;
      button.focus({preventScroll: true});
    }

    button(position) {
      const row = this.rows.get(Math.floor(position / this.columns));
      return row.querySelectorAll('button')[position % this.columns];
    }

    drawSoon() {
      if (this.asked) return;
      this.asked = true;
      requestAnimationFrame(() => {
        this.asked = false;
        this.draw();
      });
    }

    /** Makes the document hold the rows in sight and the row of the tab stop, in their order. */
    draw() {
      const width = this.element.clientWidth;
      if (!width) return; // In a tab that is not shown.
      this.layOut(width);
      const height = this.side + GAP;
      const top = this.element.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor((-top - BEYOND) / height));
      const last = Math.min(this.rowCount() - 1, Math.floor((window.innerHeight - top + BEYOND) / height));
      const wanted = new Set();
      if (this.items.length) wanted.add(Math.floor(this.current / this.columns));
      for (let row = first; row <= last; row += 1) wanted.add(row);
      this.rows.forEach((element, row) => {
        if (!wanted.has(row)) {
          element.remove();
          this.rows.delete(row);
        }
      });
      Array.from(wanted).sort(function (a, b) { return a - b; }).forEach((row, place) => {
        if (this.rows.has(row)) return;
        const made = this.makeRow(row);
        this.rows.set(row, made);
        this.element.insertBefore(made, this.element.children[place] || null);
      });
    }

    layOut(width) {
      const columns = Math.max(1, Math.floor((width + GAP) / (this.smallest + GAP)));
      const side = (width - GAP * (columns - 1)) / columns;
      if (columns !== this.columns || side !== this.side) {
        const focused = this.element.contains(document.activeElement);
        this.columns = columns;
        this.side = side;
        this.clear();
        if (focused) requestAnimationFrame(() => this.focus(this.current));
      }
      this.element.style.height = Math.max(0, this.rowCount() * (this.side + GAP) - GAP) + 'px';
      this.element.setAttribute('aria-rowcount', this.rowCount());
      this.element.setAttribute('aria-colcount', this.columns);
    }

    makeRow(row) {
      const begin = row * this.columns;
      const made = explore.element('div', {class: 'row', role: 'row', 'aria-rowindex': row + 1});
      made.style.transform = 'translateY(' + row * (this.side + GAP) + 'px)';
      made.style.gridTemplateColumns = 'repeat(' + this.columns + ', ' + this.side + 'px)';
      this.items.slice(begin, begin + this.columns).forEach((item, column) => {
        const button = this.tile(item);
        button.tabIndex = begin + column === this.current ? 0 : -1;
        made.append(explore.element('div', {role: 'gridcell', 'aria-colindex': column + 1}, [button]));
      });
      return made;
    }

    rowCount() {
      return Math.ceil(this.items.length / this.columns);
    }

    clear() {
      this.rows.forEach(function (row) { row.remove(); });
      this.rows.clear();
    }

    /** Scrolls as little as it takes for the row of a position to be in sight. */
    reveal(position) {
      const top = this.element.getBoundingClientRect().top + Math.floor(position / this.columns) * (this.side + GAP);
      const bottom = top + this.side;
      if (top < GAP) window.scrollBy(0, top - GAP);
      else if (bottom > window.innerHeight - GAP) window.scrollBy(0, bottom - window.innerHeight + GAP);
    }

    onKey(event) {
      const page = Math.max(1, Math.floor(window.innerHeight / (this.side + GAP)) - 1);
      const target = explore.step(event, this.current, this.items.length, this.columns, page);
      if (target < 0) return;
      event.preventDefault();
      this.focus(target);
    }

    /** A tile may be focused by the mouse too. */
    onFocus(event) {
      const row = event.target.closest('.row');
      if (!row) return;
      const column = Array.from(row.querySelectorAll('button')).indexOf(event.target);
      const position = (Number(row.getAttribute('aria-rowindex')) - 1) * this.columns + column;
      if (position === this.current) return;
      const before = this.rows.get(Math.floor(this.current / this.columns));
      if (before) this.button(this.current).tabIndex = -1;
      this.current = position;
      event.target.tabIndex = 0;
    }
  }

  explore.Grid = Grid;
})();
