"""A worker process of --runner=direct: that of Apache Beam, without its log.

What a worker has to say reaches the driver as an error.
"""

from __future__ import annotations

import logging
import sys

if __name__ == '__main__':
    logging.disable(logging.CRITICAL)

    from apache_beam.runners.worker import sdk_worker_main

    sdk_worker_main.main(sys.argv)
