"""The line of the test that asks for something."""

from __future__ import annotations

import json
import os
import sys
from types import CodeType
from typing import Dict, Optional, Tuple

_FOLDER = os.path.dirname(__file__)

#: The files of this package, as frames name them.
_OURS = frozenset(
    os.path.join(_FOLDER, name) for name in os.listdir(_FOLDER) if name.endswith(".py")
)

#: By the place in the code of a function, which is kept, so that no other one gets its number.
_known: Dict[Tuple[int, int], Tuple[CodeType, bytes]] = {}


def place() -> Optional[bytes]:
    """The nearest line outside of this package that has led here, as JSON."""
    frame = sys._getframe(2)
    code = frame.f_code
    while code.co_filename in _OURS:
        if frame.f_back is None:
            return None
        frame = frame.f_back
        code = frame.f_code
    key = (id(code), frame.f_lasti)
    known = _known.get(key)
    if known is None:
        known = _known[key] = (code, _json(code.co_filename, frame.f_lineno))
    return known[1]


def _json(file: str, line: int) -> bytes:
    try:
        # As pytest shows it: from the current directory, for what is below it.
        relative = os.path.relpath(file)
        if not relative.startswith(os.pardir):
            file = relative
    except (OSError, ValueError):
        # No current directory, or another drive.
        pass
    return json.dumps({"file": file, "line": line}).encode("ascii")
