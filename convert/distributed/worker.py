"""A worker process of --runner=direct: that of Apache Beam, without its log.

What a worker has to say reaches the driver as an error.
"""

from __future__ import annotations

import logging
import sys


def main() -> None:
    """Works until the runner ends it."""
    logging.disable(logging.CRITICAL)  # Before the import, which warns.

    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)
