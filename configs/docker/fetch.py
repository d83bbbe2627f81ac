"""Fetches one file for an image: python fetch.py URL PATH SHA256.

PATH may be a folder, and SHA256 may be empty. Prints the checksum of the file, and ends with 1 if it is another one.
With this script the base images, which have no curl, need none.
"""

import hashlib
import os
import posixpath
import sys
import urllib.parse
import urllib.request


def main(url: str, path: str, wanted: str) -> str:
    """Fetches the file, and returns an error message, or '' if there is no error."""
    if os.path.isdir(path):
        path = os.path.join(path, posixpath.basename(urllib.parse.urlparse(url).path))
    urllib.request.urlretrieve(url, path)
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    found = digest.hexdigest()
    print(f'{url}: sha256 {found}', flush=True)
    if wanted and found != wanted:
        os.remove(path)
        return f'error: {url} has sha256 {found}, not {wanted}: this is not the requested file'
    return ''


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]) or None)
