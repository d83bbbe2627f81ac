/** Pictures out of the sprite sheets. */
(function () {
  'use strict';

  const explore = window.explore;

  /**
   * Makes a picture; what it shows is said by whatever it lies in.
   * @param {string} kind 'samples' or 'thumbnails'
   * @param {number} index
   * @param {string=} looks further classes
   * @returns {HTMLElement} as large as its place
   */
  explore.picture = function (kind, index, looks) {
    const sheets = explore.data.start[kind];
    const number = Math.floor(index / sheets.tiles);
    const within = index % sheets.tiles;
    const tiles = Math.min(sheets.tiles, sheets.count - number * sheets.tiles);
    const columns = Math.min(sheets.columns, tiles);
    const pitch = sheets.side + 2 * sheets.border;
    const width = columns * pitch;
    const height = Math.ceil(tiles / columns) * pitch;
    const left = (within % columns) * pitch + sheets.border;
    const top = Math.floor(within / columns) * pitch + sheets.border;
    const made = explore.element('span', {class: 'picture ' + (looks || '')});
    made.style.backgroundImage = 'url("' + sheets.files[number] + '")';
    made.style.backgroundSize = percent(width / sheets.side) + ' ' + percent(height / sheets.side);
    made.style.backgroundPosition = percent(left / (width - sheets.side)) + ' ' + percent(top / (height - sheets.side));
    return made;
  };

  /**
   * The largest whole multiple of the picture's own size that fits, so that each of its pixels is a square.
   * @param {string} kind 'samples' or 'thumbnails'
   * @param {number} room px
   * @returns {number} px
   */
  explore.largeSide = function (kind, room) {
    const side = explore.data.start[kind].side;
    return side * Math.max(1, Math.floor(room / side));
  };

  /** @returns {Promise} fulfilled when the first sheet is there and decoded. */
  explore.firstSheet = function (kind) {
    const image = new Image();
    image.src = explore.data.start[kind].files[0];
    return image.decode();
  };

  function percent(ratio) {
    return (100 * ratio).toFixed(4) + '%';
  }
})();
