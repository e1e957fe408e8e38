"""The line of the test that asks for something."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, Optional

_files: Dict[str, str] = {}


def place() -> Optional[Dict[str, Any]]:
    """The nearest line outside of this package that has led here."""
    frame = sys._getframe(1)
    while True:
        name = frame.f_globals.get("__name__", "")
        if name != "standin" and not name.startswith("standin."):
            return {"file": _shown(frame.f_code.co_filename), "line": frame.f_lineno}
        if frame.f_back is None:
            return None
        frame = frame.f_back


def _shown(file: str) -> str:
    """A path as pytest shows it: from the current directory, for what is below it."""
    shown = _files.get(file)
    if shown is None:
        shown = file
        try:
            relative = os.path.relpath(file)
            if not relative.startswith(os.pardir):
                shown = relative
        except (OSError, ValueError):
            # No current directory, or another drive.
            pass
        _files[file] = shown
    return shown
