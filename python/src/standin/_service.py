"""The command ``standin serve --stdio``, and speaking with it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import weakref
from typing import Any, Callable, Dict, List, Optional, Set

from ._command import find_command
from ._errors import ServiceError, from_answer
from ._place import place

#: The version of the protocol that this client speaks.
PROTOCOL = 1

#: How long the command may take to end, in seconds, before it is killed.
END_LIMIT = 60.0


class Service:
    """A process of the command ``standin`` that serves this one.

    It ends when it is closed, when it is not used any more, and when this process ends, however
    that goes. Any thread may ask; a question that waits keeps no other from being answered.
    """

    def __init__(self, command: Optional[str] = None) -> None:
        self.command = command if command is not None else find_command()
        #: Called with each event, by the thread that reads it.
        self.on_event: Optional[Callable[[Dict[str, Any]], None]] = None
        self._ids = itertools.count(1)
        self._write_lock = threading.Lock()
        self._changed = threading.Condition()
        self._answers: Dict[int, Dict[str, Any]] = {}
        self._abandoned: Set[int] = set()
        self._is_read = False
        self._is_over = False
        self._buffer = bytearray()
        self._lines: List[bytes] = []
        try:
            self._process = subprocess.Popen(
                [self.command, "serve", "--stdio"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                # Ctrl-C is for the tests; they end it.
                start_new_session=True,
            )
        except OSError as error:
            raise ServiceError(
                f"cannot start `{self.command} serve --stdio`: {error.strerror or error}\n"
                "  help: is STANDIN_COMMAND, or the option --standin-command, the path of the "
                "command `standin`?"
            ) from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._to = self._process.stdin
        self._from = self._process.stdout.fileno()
        self._finalizer = weakref.finalize(self, _end, self._process)
        try:
            self._greet()
        except BaseException:
            self.close()
            raise

    def _greet(self) -> None:
        line = self._read_line()
        hello: Dict[str, Any] = {}
        if line is not None:
            try:
                hello = json.loads(line)
            except ValueError:
                pass
        if not isinstance(hello, dict) or hello.get("event") != "hello":
            said = "nothing" if line is None else repr(line[:200].decode("utf-8", "replace"))
            raise ServiceError(
                f"`{self.command}` does not serve: it said {said} instead of a greeting\n"
                "  help: is it the command `standin`, and new enough to know `serve --stdio`?"
            )
        if hello.get("protocol") != PROTOCOL:
            raise ServiceError(
                f"`{self.command}` of version {hello.get('version')} speaks version "
                f"{hello.get('protocol')} of the protocol, and this package version {PROTOCOL}\n"
                "  help: install the package and the command of the same version"
            )
        #: The version of the command.
        self.version = str(hello.get("version"))

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it can be asked."""
        return self._finalizer.alive and not self._is_over

    def ask(self, method: str, **parameters: Any) -> Dict[str, Any]:
        """Asks for something, and returns the result when it is there."""
        __tracebackhide__ = True
        number = next(self._ids)
        request = {"id": number, "method": method, "params": parameters}
        line = json.dumps(request).encode("ascii")
        asked_at = place()
        if asked_at is not None:
            line = line[:-1] + b', "place": ' + asked_at + b"}"
        line += b"\n"
        try:
            with self._write_lock:
                _write_all(self._to.fileno(), line)
        except (OSError, ValueError):
            raise self._gone(method) from None
        try:
            answer = self._wait_for(number)
        except BaseException:
            # Ctrl-C, such as in the middle of a wait.
            self._abandon(number)
            raise
        if answer is None:
            raise self._gone(method)
        if "error" in answer:
            raise from_answer(answer["error"])
        result = answer.get("result")
        return result if isinstance(result, dict) else {}

    def close(self) -> None:
        """Ends the process. Whatever is up there is taken down."""
        self._finalizer()

    def _wait_for(self, number: int) -> Optional[Dict[str, Any]]:
        """The answer of that number; ``None`` if there will be none. Whoever waits reads, and
        keeps for others what is theirs."""
        with self._changed:
            while True:
                if number in self._answers:
                    return self._answers.pop(number)
                if self._is_over:
                    return None
                if not self._is_read:
                    self._is_read = True
                    break
                self._changed.wait()
        try:
            while True:
                message = self._read_message()
                if message is None:
                    self._is_over = True
                    return None
                if message.get("id") == number:
                    return message
                self._keep(message)
        finally:
            with self._changed:
                self._is_read = False
                self._changed.notify_all()

    def _keep(self, message: Dict[str, Any]) -> None:
        if "event" in message:
            if self.on_event is not None:
                self.on_event(message)
            return
        number = message.get("id")
        if not isinstance(number, int):
            return
        with self._changed:
            if number in self._abandoned:
                self._abandoned.discard(number)
            else:
                self._answers[number] = message
                self._changed.notify_all()

    def _abandon(self, number: int) -> None:
        with self._changed:
            if self._answers.pop(number, None) is None:
                self._abandoned.add(number)
            cancel = next(self._ids)
            self._abandoned.add(cancel)
        request = {"id": cancel, "method": "cancel", "params": {"request": number}}
        try:
            with self._write_lock:
                _write_all(self._to.fileno(), json.dumps(request).encode("ascii") + b"\n")
        except (OSError, ValueError):
            pass

    def _read_message(self) -> Optional[Dict[str, Any]]:
        line = self._read_line()
        if line is None:
            return None
        try:
            message = json.loads(line)
        except ValueError:
            return None
        return message if isinstance(message, dict) else {}

    def _read_line(self) -> Optional[bytes]:
        while not self._lines:
            try:
                read = os.read(self._from, 1 << 16)
            except OSError:
                return None
            if not read:
                return None
            self._buffer += read
            if b"\n" in read:
                *lines, rest = bytes(self._buffer).split(b"\n")
                self._buffer = bytearray(rest)
                self._lines = lines
        return self._lines.pop(0)

    def _gone(self, method: str) -> ServiceError:
        self._is_over = True
        try:
            how = f"with exit code {self._process.wait(timeout=5)}"
        except subprocess.TimeoutExpired:
            how = "its output, and not itself"
        return ServiceError(
            f"cannot ask for `{method}`: the command `standin` has ended {how}\n"
            "  help: what it has said is on standard error; was it killed, or closed?"
        )


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Ends the process: the end of its input is what tells it so."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.close()
    except OSError:
        pass
    try:
        process.wait(timeout=END_LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
