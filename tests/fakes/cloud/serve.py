"""The process of the Cloud Storage on loopback.

`python -m tests.fakes.cloud.serve FOLDER` prints its address and serves.

It needs its own process, because TensorFlow holds Python's global interpreter lock (GIL) during some of its requests: a
server in a thread of the same process would never answer them.
"""

from __future__ import annotations

import pathlib
import signal
import ssl
import sys
import threading

from tests.fakes.cloud.emulator import Emulator
from tests.fakes.cloud.front import Front

AUTHORITY = 'ca.pem'


def _tls(authority: pathlib.Path) -> ssl.SSLContext:
    """A server's side of TLS for Google's hosts; writes the certificate of the authority to trust."""
    import trustme  # Here, because tests without Cloud Storage must run where it is not installed.

    made = trustme.CA()
    made.cert_pem.write_to_path(str(authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.issue_cert('*.googleapis.com').configure_cert(context)
    return context


def main(folder: pathlib.Path) -> None:
    """Serves until the standard input ends or SIGTERM arrives."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    emulator = Emulator()
    front = Front(emulator, _tls(folder / AUTHORITY))
    emulator.start(folder / 'fake-gcs-server.log', front.url)
    try:
        threading.Thread(target=front.serve_forever, daemon=True).start()
        print(front.url, flush=True)
        sys.stdin.read()
    finally:
        emulator.stop()


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
