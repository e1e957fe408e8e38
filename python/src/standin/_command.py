"""Where the command ``standin`` is."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig

from ._errors import ServiceError

#: The environment variable that names the command, where it is not the one of this package.
VARIABLE = "STANDIN_COMMAND"


def find_command() -> str:
    """The path of the command: what ``STANDIN_COMMAND`` names, the one that was installed with this
    package, or the one of ``PATH``."""
    named = os.environ.get(VARIABLE)
    if named:
        return named
    name = "standin" + (sysconfig.get_config_var("EXE") or "")
    folders = [
        sysconfig.get_path("scripts"),
        os.path.dirname(sys.executable),
        sysconfig.get_path("scripts", f"{os.name}_user"),
    ]
    for folder in folders:
        path = os.path.join(folder, name) if folder else ""
        if os.access(path, os.X_OK):
            return path
    found = shutil.which(name)
    if found:
        return found
    raise ServiceError(
        "cannot find the command `standin`\n"
        f"  help: install this package from a wheel, which contains it, or set {VARIABLE}; "
        f"looked in {', '.join(folder for folder in folders if folder)} and PATH"
    )
