"""Gets a page by http.client, with a time limit or without. Fails if what it got is not the page."""

import http.client
import sys
from urllib.parse import urlsplit

url, limit = urlsplit(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else None
connection = http.client.HTTPConnection(url.hostname, url.port, timeout=limit)
try:
    connection.request("GET", url.path)
    page = connection.getresponse().read()
except (OSError, http.client.HTTPException) as error:
    # It says so.
    sys.exit(print(f"{type(error).__name__}: {error}"))
if page != b"hello world\n":
    sys.exit(f"no error, and got {page!r}")
