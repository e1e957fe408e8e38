"""The line of the test that asks for something."""

from __future__ import annotations

import json
import os
import sys
from typing import Dict, Optional, Tuple

_known: Dict[Tuple[str, int], bytes] = {}


def place() -> Optional[bytes]:
    """The nearest line outside of this package that has led here, as JSON."""
    frame = sys._getframe(1)
    while True:
        name = frame.f_globals.get("__name__", "")
        if name != "standin" and not name.startswith("standin."):
            line = (frame.f_code.co_filename, frame.f_lineno)
            return _known.get(line) or _json(line)
        if frame.f_back is None:
            return None
        frame = frame.f_back


def _json(line: Tuple[str, int]) -> bytes:
    file, number = line
    try:
        # As pytest shows it: from the current directory, for what is below it.
        relative = os.path.relpath(file)
        if not relative.startswith(os.pardir):
            file = relative
    except (OSError, ValueError):
        # No current directory, or another drive.
        pass
    text = json.dumps({"file": file, "line": number}).encode("ascii")
    _known[line] = text
    return text
