"""Servers, clients and programs that stand in for the peers of what you test.

With pytest, use the fixture ``standin``. Elsewhere, load an environment and use it::

    import standin

    with standin.load("bank.toml") as env:
        connection = env["bank"].accept_connection(timeout=10)
        assert connection.receive_line_text() == "hello"

What a failed call raises is a :class:`StandinError`, whose text is the whole report.
"""

from ._command import find_command
from ._drivers import (
    Connection,
    Driver,
    Fault,
    Held,
    TCPClient,
    TcpClient,
    TcpProxy,
    TCPServer,
    TcpServer,
)
from ._environment import Environment, load
from ._errors import PeerClosed, ServiceError, StandinError, TimedOut, Unmet
from ._service import PROTOCOL, Service

__all__ = [
    "PROTOCOL",
    "Connection",
    "Driver",
    "Environment",
    "Fault",
    "Held",
    "PeerClosed",
    "Service",
    "ServiceError",
    "StandinError",
    "TCPClient",
    "TCPServer",
    "TcpClient",
    "TcpProxy",
    "TcpServer",
    "TimedOut",
    "Unmet",
    "find_command",
    "load",
]
