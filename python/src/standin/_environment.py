"""An environment."""

from __future__ import annotations

import base64
import json
import os
import sys
from types import TracebackType
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Type, Union

from ._drivers import Driver, driver
from ._errors import StandinError
from ._service import Service

#: A failure is shown where the test asked for something, not here.
__tracebackhide__ = True

Settings = Union[Mapping[str, Any], Sequence[str]]


def load(
    file: Union[str, "os.PathLike[str]", None] = None,
    *,
    text: Optional[str] = None,
    settings: Settings = (),
    command: Optional[str] = None,
) -> "Environment":
    """Reads an environment from a file, or from a text. Nothing starts yet; use it in a ``with``.

    ``settings`` replace options of the file: ``{"bank.port": 8080}`` or ``["bank.port=8080"]``.
    """
    return Environment(file, text=text, settings=settings, command=command)


class Environment:
    """The drivers of a test: servers, clients, programs. ``env["bank"]`` and ``env.bank`` are the
    driver ``bank``. In a ``with`` it is up, and taken down at the end, whatever happens."""

    def __init__(
        self,
        file: Union[str, "os.PathLike[str]", None] = None,
        *,
        text: Optional[str] = None,
        settings: Settings = (),
        command: Optional[str] = None,
    ) -> None:
        self._drivers: Dict[str, Driver] = {}
        self._transcript: Optional[str] = None
        parameters: Dict[str, Any] = {"settings": _settings(settings)}
        if file is not None:
            parameters["file"] = os.path.abspath(os.fspath(file))
        if text is not None:
            parameters["text"] = text
        self.service = Service(command)
        try:
            loaded = self.service.ask("load", **parameters)
        except BaseException:
            self.service.close()
            raise
        #: Its name.
        self.name = str(loaded["environment"])
        for found in loaded["drivers"]:
            name = str(found["name"])
            self._drivers[name] = driver(self.service, name, str(found["type"]))
        #: The directory of the files of its drivers, if they stayed after a stop.
        self.files: Optional[str] = None
        #: Where what was recorded is, if a test has failed: a page, a capture, a text.
        self.recorded: List[str] = []
        self._problems: List[str] = []

    def __repr__(self) -> str:
        return f"<environment {self.name!r}: {', '.join(self._drivers)}>"

    def __getitem__(self, name: str) -> Any:
        try:
            return self._drivers[name]
        except KeyError:
            there = ", ".join(f'"{name}"' for name in self._drivers) or "no drivers"
            message = f'environment "{self.name}" has no driver "{name}"; it has {there}'
            raise KeyError(message) from None

    def __getattr__(self, name: str) -> Any:
        drivers = self.__dict__.get("_drivers", {})
        if name in drivers:
            return drivers[name]
        there = ", ".join(drivers) or "none"
        raise AttributeError(f"no attribute and no driver is called {name!r}; drivers: {there}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._drivers)

    def __contains__(self, name: object) -> bool:
        return name in self._drivers

    def __len__(self) -> int:
        return len(self._drivers)

    @property
    def drivers(self) -> List[Driver]:
        """All drivers, in the order of the file."""
        return list(self._drivers.values())

    def start(self) -> None:
        """Starts it."""
        self.service.ask("start")

    def stop(self, failed: bool = False) -> None:
        """Stops it. With ``failed`` its files stay."""
        self._left(self.service.ask("stop", failed=failed))

    def note_failure(self) -> None:
        """Says that a test which uses it has failed: its files stay, and what was recorded so far
        is written at once to the files of :attr:`recorded`."""
        self._left(self.service.ask("note_failure"))

    def _left(self, left: Dict[str, Any]) -> None:
        files = left.get("files")
        self.files = None if files is None else str(files)
        self.recorded = [str(path) for path in left.get("recorded", [])]
        self._problems = [str(problem) for problem in left.get("problems", [])]

    def files_of_failure(self) -> str:
        """Where the files are that explain a failure, as lines for people."""
        # What people open comes first.
        names = {".html": "page", ".pcapng": "capture", ".txt": "text", ".mmd": "diagram"}
        found = []
        for end, name in names.items():
            found += [(name, path) for path in self.recorded if path.endswith(end)]
        found += [("data", path) for path in self.recorded if path.endswith(".json")]
        if self.files is not None:
            found.append(("files of drivers", self.files))
        width = max((len(name) for name, _ in found), default=0) + 1
        lines = [f"{name + ':':{width}} {path}" for name, path in found]
        return "\n".join(lines + self._problems)

    def abort(self) -> None:
        """Ends at once what it does, and takes it down."""
        self.service.ask("abort")

    def close(self) -> None:
        """Ends the process that has it. Whatever is up is taken down. What was recorded can still
        be read by :meth:`transcript` as text."""
        if self._transcript is None:
            try:
                self._transcript = self.transcript()
            except StandinError:
                self._transcript = ""
        self.service.close()

    @property
    def status(self) -> str:
        """How far it has come: ``loaded``, ``starting``, ``running``, ``stopping``, ``stopped``."""
        return str(self.service.ask("status")["phase"])

    @property
    def runpath(self) -> Optional[str]:
        """The directory that has the files of the drivers; ``None`` before the first start."""
        runpath = self.service.ask("status")["runpath"]
        return None if runpath is None else str(runpath)

    @property
    def variables(self) -> Dict[str, str]:
        """The variables for programs that use it: those of its drivers, and those of
        ``[export]``."""
        variables = self.service.ask("variables")["variables"]
        return {str(name): str(value) for name, value in variables.items()}

    @property
    def connections(self) -> Dict[str, Any]:
        """Who is connected to whom now."""
        graph = self.service.ask("connections")["graph"]
        assert isinstance(graph, dict)
        return graph

    def transcript(self, format: str = "text") -> str:
        """What was recorded: ``text``, ``start``, ``json``, ``html``, ``mermaid`` or ``trace``."""
        if self._transcript is not None and format == "text":
            return self._transcript
        data = self.service.ask("transcript", format=format)["data"]
        return str(data["text"])

    def capture(self) -> bytes:
        """What was recorded, as Wireshark opens it (pcapng)."""
        data = self.service.ask("transcript", format="pcapng")["data"]
        return base64.b64decode(data["base64"])

    def __enter__(self) -> "Environment":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        try:
            self.stop(failed=kind is not None)
        except StandinError:
            # The error of the test says more.
            if kind is None:
                raise
        finally:
            self.close()
        files = self.files_of_failure() if kind is not None else ""
        if files:
            # A failing test shows what it has written there.
            print(f"standin: files of {self.name!r}\n{files}", file=sys.stderr)


def _settings(settings: Settings) -> List[str]:
    if isinstance(settings, Mapping):
        return [f"{option}={_value(value)}" for option, value in settings.items()]
    return [str(setting) for setting in settings]


def _value(value: Any) -> str:
    """A value as TOML has it; texts need no quotes."""
    return value if isinstance(value, str) else _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        entries = (f"{json.dumps(str(key))} = {_toml(each)}" for key, each in value.items())
        return "{ " + ", ".join(entries) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # Texts, numbers, true and false are as in JSON.
    return json.dumps(value)
