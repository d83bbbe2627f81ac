"""A worker process of --runner=direct: that of Apache Beam, without its log.

What a worker has to say reaches the driver as an error.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time


def main(alive: str) -> None:
    """Works until the runner ends it, or the file `alive` is gone."""
    threading.Thread(target=_end_without, args=(alive,), daemon=True).start()
    logging.disable(logging.CRITICAL)  # Before the import, which warns.

    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)


def _end_without(path: str) -> None:
    while os.path.exists(path):
        time.sleep(0.2)
    os._exit(0)  # Other threads may wait for ever for a runner that has failed.
