"""What goes wrong."""

from __future__ import annotations

from typing import Any, Dict, List, Optional


class StandinError(Exception):
    """Something did not work. Its text is the report: message, evidence, help and code."""

    def __init__(
        self,
        report: str,
        *,
        code: Optional[str] = None,
        message: Optional[str] = None,
        help: Optional[str] = None,
        transcript: Optional[List[str]] = None,
    ) -> None:
        super().__init__(report)
        #: All that is known, of several lines.
        self.report = report
        #: What went wrong, for programs: ``standin::socket::receive_timed_out``.
        self.code = code
        #: What went wrong, without what can be done about it.
        self.message = message if message is not None else report
        #: What can be done about it.
        self.help = help
        #: What was recorded last of the driver that was asked, a line each.
        self.transcript: List[str] = transcript if transcript is not None else []

    def __str__(self) -> str:
        return self.report


class TimedOut(StandinError, TimeoutError):
    """The time was up."""


class PeerClosed(StandinError, EOFError):
    """The peer has closed its end, and everything before that was received."""


class Unmet(StandinError, AssertionError):
    """Something was expected and has not happened; all else went well."""


class ServiceError(StandinError):
    """The command ``standin`` was not found, has another version, or has ended."""


def from_answer(error: Dict[str, Any]) -> StandinError:
    """The exception for an error of an answer."""
    kind = StandinError
    if error.get("timed_out"):
        kind = TimedOut
    elif error.get("peer_closed"):
        kind = PeerClosed
    elif error.get("unmet"):
        kind = Unmet
    return kind(
        error.get("report") or error.get("message") or "it failed and gave no reason",
        code=error.get("code"),
        message=error.get("message"),
        help=error.get("help"),
        transcript=error.get("transcript"),
    )


for _kind in (StandinError, TimedOut, PeerClosed, Unmet, ServiceError):
    # What a traceback shows is the name that users know.
    _kind.__module__ = "standin"
