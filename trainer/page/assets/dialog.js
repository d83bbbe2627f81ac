/** The dialog in which one sample or training image is seen large. */
(function () {
  'use strict';

  const explore = window.explore;

  /**
   * @param {function(string, number)} leave called with what was shown when the dialog closes
   * @param {function(string): Array<number>} order of the items that Previous and Next go through
   */
  explore.makeDialog = function (leave, order) {
    const dialog = document.getElementById('dialog');
    const body = document.getElementById('dialog-body');
    const title = document.getElementById('dialog-title');
    const previous = document.getElementById('dialog-previous');
    const next = document.getElementById('dialog-next');
    let shown = {kind: '', index: -1};

    const neighbour = function (by) {
      const items = order(shown.kind);
      const position = items.indexOf(shown.index);
      return position < 0 ? undefined : items[position + by];
    };
    const go = function (by) {
      const index = neighbour(by);
      if (index !== undefined) explore.open(shown.kind, index);
    };
    const fill = function (kind, index, detail) {
      if (shown.kind !== kind || shown.index !== index) return; // Another was chosen while this one was loading.
      title.textContent = detail.title;
      body.replaceChildren.apply(body, detail.body);
      body.scrollTop = 0;
    };
    const close = function () {
      const left = shown;
      shown = {kind: '', index: -1};
      body.replaceChildren();
      leave(left.kind, left.index);
    };

    previous.addEventListener('click', function () { go(-1); });
    next.addEventListener('click', function () { go(1); });
    document.getElementById('dialog-close').addEventListener('click', function () { dialog.close(); });
    dialog.addEventListener('click', function (event) { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener('close', function () { if (shown.kind) close(); });
    dialog.addEventListener('keydown', function (event) {
      const free = event.target === title || event.target === previous || event.target === next || event.target === dialog;
      if (free && event.key === 'ArrowLeft') go(-1);
      if (free && event.key === 'ArrowRight') go(1);
    });

    return {
      /** Shows one item; resolves when it is there. */
      show: function (kind, index) {
        const opening = !dialog.open;
        shown = {kind: kind, index: index};
        if (opening) {
          title.textContent = '';
          dialog.showModal();
        }
        previous.disabled = neighbour(-1) === undefined;
        next.disabled = neighbour(1) === undefined;
        const needed = kind === 'sample' ? ['dataset'] : ['dataset', 'neighbours'];
        return Promise.all(needed.map(explore.load)).then(function (loaded) {
          if (kind === 'sample') return loaded;
          return explore.inflateLayers(loaded[1].samples.concat(loaded[1].images)).then(function () { return loaded; });
        }).then(function (loaded) {
          fill(kind, index, kind === 'sample' ? explore.sampleDetail(index)
            : explore.imageDetail(index, loaded[0], loaded[1]));
          // What was chosen is gone with what it lay in; arrows that were pressed stay where they are.
          if (opening || !dialog.contains(document.activeElement) || document.activeElement.disabled) title.focus();
          else explore.announce(title.textContent);
        }).catch(function (error) {
          body.replaceChildren(explore.element('p', {class: 'empty', text: error.message}));
        });
      },
      /** Closes the dialog if it is open. */
      hide: function () { if (dialog.open) dialog.close(); },
    };
  };
})();
