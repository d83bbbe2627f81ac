"""RapidOCR's recogniser, whose weights are in its package: nothing is ever downloaded."""

from __future__ import annotations

import pathlib

import numpy as np
import rapidocr

from convert import rejection
from convert.reading.agreement import Reading

_LOG = 'critical'  # It would print a line for each part of it.


class Rapid:
    """Reads text of any alphabet; text of other characters is left to the caller."""

    name = 'rapidocr'

    def __init__(self) -> None:
        """Loads the recogniser.

        Raises:
          ImportError: the package has no weights in it.
        """
        # Named, so that RapidOCR does not look for it on the network.
        found = sorted((pathlib.Path(rapidocr.__file__).parent / 'models').glob('*rec*.onnx'))
        if not found:
            raise ImportError('rapidocr has no recogniser in its package')
        # One thread for each picture: several are read at once, and their texts depend on nothing else.
        threads = {f'EngineConfig.onnxruntime.{kind}_op_num_threads': 1 for kind in ('intra', 'inter')}
        parts = {'Global.use_det': False, 'Global.use_cls': False, 'Global.use_rec': True}
        self._ocr = rapidocr.RapidOCR(
            params={'Global.log_level': _LOG, 'Rec.model_path': str(found[0]), **parts, **threads}
        )

    def read(self, pixels: np.ndarray) -> Reading:
        """The text in uint8 [H, W, 3].

        Raises:
          rejection.Rejected: RapidOCR fails on it.
        """
        bgr = np.ascontiguousarray(pixels[..., ::-1])
        try:
            found = self._ocr(bgr, use_det=False, use_cls=False, use_rec=True)
        except Exception as error:  # Of any kind: it hands on those of OpenCV and ONNX Runtime.
            raise rejection.Rejected(rejection.UNREADABLE, f'rapidocr: {error}') from None
        if not found.txts:
            return Reading('', 0.0)
        return Reading(found.txts[0].strip(), float(found.scores[0]))
