/** Arrow keys in a set of buttons of which one can be reached with Tab. */
(function () {
  'use strict';

  const explore = window.explore;

  /**
   * Where a key leads in rows of `columns` items.
   * @param {KeyboardEvent} event
   * @param {number} position where the focus is
   * @param {number} count of items
   * @param {number} columns in a row
   * @param {number} page rows that Page Up and Page Down pass
   * @returns {number} the new position, or -1 for a key that leads nowhere
   */
  explore.step = function (event, position, count, columns, page) {
    if (event.altKey || event.metaKey) return -1;
    const row = Math.floor(position / columns) * columns;
    const last = count - 1;
    const targets = {
      ArrowLeft: position - 1,
      ArrowRight: position + 1,
      ArrowUp: position - columns,
      ArrowDown: position + columns,
      PageUp: Math.max(position % columns, position - page * columns),
      PageDown: Math.min(last, position + page * columns),
      Home: event.ctrlKey ? 0 : row,
      End: event.ctrlKey ? last : Math.min(last, row + columns - 1),
    };
    if (!(event.key in targets)) return -1;
    const target = targets[event.key];
    return target < 0 || target > last ? position : target;
  };

  /**
   * Gives a small list of buttons one stop for Tab, and the arrow keys.
   * @param {HTMLElement} list
   * @param {Array<HTMLElement>} buttons in it
   */
  explore.rove = function (list, buttons) {
    buttons.forEach(function (button, i) { button.tabIndex = i === 0 ? 0 : -1; });
    list.addEventListener('keydown', function (event) {
      const position = buttons.indexOf(event.target);
      if (position < 0) return;
      const target = explore.step(event, position, buttons.length, columnsOf(buttons), 3);
      if (target < 0) return;
      event.preventDefault();
      buttons[target].focus();
    });
    list.addEventListener('focusin', function (event) {
      if (buttons.indexOf(event.target) < 0) return;
      buttons.forEach(function (button) { button.tabIndex = button === event.target ? 0 : -1; });
    });
  };

  /** How many of the buttons lie in the first row, as they are laid out now. */
  function columnsOf(buttons) {
    const top = buttons[0].getBoundingClientRect().top;
    const below = buttons.findIndex(function (button) { return button.getBoundingClientRect().top > top + 1; });
    return below < 0 ? buttons.length : below;
  }
})();
