"""The drivers of an environment, and their connections."""

from __future__ import annotations

import base64
import time
from typing import Any, Dict, List, Optional, Tuple, Union

from ._errors import PeerClosed
from ._service import Service

#: A failure is shown where the test asked for something, not here.
__tracebackhide__ = True

#: How many bytes a receive without a size takes at most.
DEFAULT_SIZE = 1024


class _Unset:
    def __repr__(self) -> str:
        return "the driver's"


#: A time limit that is not given: the one of the driver, its option ``io_timeout``.
UNSET = _Unset()

Timeout = Union[float, None, _Unset]
Bytes = Union[bytes, bytearray, memoryview]

#: How a stream is cut into frames: ``"lines"``, ``{"delimiter": ..}``, ``{"fixed_size": 8}`` or
#: ``{"length_prefix": {"width": 4, "endian": "big"}}``.
Framing = Union[str, Dict[str, Any]]


def _data(data: Union[Bytes, str]) -> Dict[str, str]:
    if isinstance(data, str):
        return {"text": data}
    return {"base64": base64.b64encode(data).decode("ascii")}


def _bytes(data: Optional[Dict[str, str]]) -> bytes:
    if data is None:
        return b""
    if "text" in data:
        return data["text"].encode()
    return base64.b64decode(data["base64"])


def _given(**parameters: Any) -> Dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not UNSET}


def _framing(framing: Framing) -> Any:
    if isinstance(framing, dict) and "delimiter" in framing:
        delimiter = framing["delimiter"]
        if not isinstance(delimiter, dict):
            return {"delimiter": _data(delimiter)}
    return framing


class Driver:
    """A driver of an environment: a program, a server, a client."""

    def __init__(self, service: Service, name: str, kind: str) -> None:
        self._service = service
        #: Its name in the environment.
        self.name = name
        #: Its type: ``TcpServer``, ``Process``.
        self.type = kind

    def __repr__(self) -> str:
        return f"<{self.type} {self.name!r}>"

    @property
    def context(self) -> Dict[str, Any]:
        """What it publishes, such as its ``host`` and ``port``."""
        attributes = self._ask("context")["attributes"]
        assert isinstance(attributes, dict)
        return attributes

    def start(self) -> None:
        """Starts it, in an environment that is up."""
        self._ask("start")

    def stop(self) -> None:
        """Stops it. The others stay up."""
        self._ask("stop")

    def restart(self) -> None:
        """Stops it and starts it again."""
        self._ask("restart")

    @property
    def status(self) -> str:
        """Its status: ``STARTED``, ``STOPPED``."""
        for driver in self._service.ask("status")["drivers"]:
            if driver["name"] == self.name:
                return str(driver["status"])
        return "NONE"

    @property
    def runpath(self) -> Optional[str]:
        """The directory of its files."""
        return self._files()["runpath"]

    @property
    def outpath(self) -> Optional[str]:
        """The file that has its standard output."""
        return self._files()["out"]

    @property
    def errpath(self) -> Optional[str]:
        """The file that has its standard error."""
        return self._files()["err"]

    @property
    def logpath(self) -> Optional[str]:
        """Its log."""
        return self._files()["log"]

    def fetch_error_log(self) -> List[str]:
        """The last lines of everything that it writes, under headings."""
        return [str(line) for line in self._ask("logs")["lines"]]

    def transcript(self, last: Optional[int] = None) -> str:
        """What was recorded of its connections, as text."""
        last_given = {} if last is None else {"last": last}
        data = self._ask("transcript", **last_given)["data"]
        return str(data["text"])

    def _files(self) -> Dict[str, Optional[str]]:
        return self._ask("files")

    def _ask(self, method: str, **parameters: Any) -> Dict[str, Any]:
        return self._service.ask(method, driver=self.name, **parameters)


class _Talks:
    """What is said and heard over a connection.

    A ``timeout`` is a number of seconds; 0 takes what is there, and ``None`` waits for as long as
    it takes. Where none is given, it is the driver's ``io_timeout``, which is 30 seconds unless the
    file says otherwise. An ``encoding`` that is not given is the driver's, too: UTF-8.
    """

    #: Whether a receive of so many bytes waits for all of them, as on testplan's server.
    _is_of_server = True

    def _talk(self, method: str, **parameters: Any) -> Dict[str, Any]:
        raise NotImplementedError

    def send(self, data: Bytes, timeout: Timeout = UNSET) -> int:
        """Sends all of the bytes, and returns how many they were."""
        return int(self._talk("send", data=_data(data), timeout=timeout)["sent"])

    def send_text(
        self, text: str, timeout: Timeout = UNSET, encoding: Union[str, _Unset] = UNSET
    ) -> int:
        """Sends all of the text, and returns how many bytes it became."""
        data = _data(text)
        return int(self._talk("send", data=data, timeout=timeout, encoding=encoding)["sent"])

    def send_frame(self, data: Bytes, framing: Framing, timeout: Timeout = UNSET) -> int:
        """Sends the bytes as one frame."""
        parameters = {"data": _data(data), "framing": _framing(framing), "timeout": timeout}
        return int(self._talk("send_frame", **parameters)["sent"])

    def send_in_pieces(
        self, data: Bytes, size: int, every: float, timeout: Timeout = UNSET
    ) -> int:
        """Sends the bytes in pieces of ``size``, with a pause of ``every`` seconds between them."""
        parameters = {"data": _data(data), "size": size, "every": every, "timeout": timeout}
        return int(self._talk("send_in_pieces", **parameters)["sent"])

    def receive(self, size: Optional[int] = None, timeout: Timeout = UNSET) -> bytes:
        """Receives as testplan's drivers do: a server exactly ``size`` bytes, a client, or either
        without a size, what comes first; nothing at the end of the stream."""
        if size is not None and self._is_of_server:
            return self.receive_exactly(size, timeout)
        try:
            return self.receive_some(DEFAULT_SIZE if size is None else size, timeout)
        except PeerClosed:
            return b""

    def receive_text(
        self,
        size: Optional[int] = None,
        timeout: Timeout = UNSET,
        encoding: Union[str, _Unset] = UNSET,
    ) -> str:
        """Receives as :meth:`receive` does, as text."""
        if size is not None and self._is_of_server:
            return self.receive_exactly_text(size, timeout, encoding)
        try:
            limit = DEFAULT_SIZE if size is None else size
            return self.receive_some_text(limit, timeout, encoding)
        except PeerClosed:
            return ""

    def receive_exactly(self, size: int, timeout: Timeout = UNSET) -> bytes:
        """Receives exactly ``size`` bytes."""
        return self._received("receive_exactly", size=size, timeout=timeout)

    def receive_exactly_text(
        self, size: int, timeout: Timeout = UNSET, encoding: Union[str, _Unset] = UNSET
    ) -> str:
        """Receives exactly ``size`` bytes, as text."""
        return self._received_text(
            "receive_exactly", size=size, timeout=timeout, encoding=encoding
        )

    def receive_some(self, limit: int = DEFAULT_SIZE, timeout: Timeout = UNSET) -> bytes:
        """Receives what comes first, from 1 to ``limit`` bytes."""
        return self._received("receive_some", limit=limit, timeout=timeout)

    def receive_some_text(
        self,
        limit: int = DEFAULT_SIZE,
        timeout: Timeout = UNSET,
        encoding: Union[str, _Unset] = UNSET,
    ) -> str:
        """Receives the whole characters that come first."""
        return self._received_text(
            "receive_some", limit=limit, timeout=timeout, encoding=encoding
        )

    def receive_until(self, delimiter: Bytes, timeout: Timeout = UNSET) -> bytes:
        """Receives up to and including the delimiter."""
        return self._received("receive_until", delimiter=_data(delimiter), timeout=timeout)

    def receive_until_text(
        self, delimiter: str, timeout: Timeout = UNSET, encoding: Union[str, _Unset] = UNSET
    ) -> str:
        """Receives up to and including the delimiter, as text."""
        return self._received_text(
            "receive_until", delimiter=_data(delimiter), timeout=timeout, encoding=encoding
        )

    def receive_line(self, timeout: Timeout = UNSET) -> bytes:
        """Receives a line, and returns it without its end."""
        return self._received("receive_line", timeout=timeout)

    def receive_line_text(
        self, timeout: Timeout = UNSET, encoding: Union[str, _Unset] = UNSET
    ) -> str:
        """Receives a line, and returns it without its end, as text."""
        return self._received_text("receive_line", timeout=timeout, encoding=encoding)

    def receive_frame(self, framing: Framing, timeout: Timeout = UNSET) -> bytes:
        """Receives one frame, and returns what it carries."""
        return self._received("receive_frame", framing=_framing(framing), timeout=timeout)

    def receive_to_end(self, timeout: Timeout = UNSET) -> bytes:
        """Receives everything until the peer closes its end."""
        return self._received("receive_to_end", timeout=timeout)

    def receive_to_end_text(
        self, timeout: Timeout = UNSET, encoding: Union[str, _Unset] = UNSET
    ) -> str:
        """Receives everything until the peer closes its end, as text."""
        return self._received_text("receive_to_end", timeout=timeout, encoding=encoding)

    def receive_until_silence(self, silence: float, timeout: Timeout = UNSET) -> bytes:
        """Receives everything until nothing has come for ``silence`` seconds."""
        return self._received("receive_until_silence", silence=silence, timeout=timeout)

    def receive_buffered(self) -> bytes:
        """Receives what has already arrived, which may be nothing."""
        return self._received("receive_buffered")

    def expect(self, data: Bytes, timeout: Timeout = UNSET) -> None:
        """Receives these bytes; anything else is an error."""
        self._talk("expect", data=_data(data), timeout=timeout)

    def expect_text(
        self, text: str, timeout: Timeout = UNSET, encoding: Union[str, _Unset] = UNSET
    ) -> None:
        """Receives this text; anything else is an error."""
        self._talk("expect", data=_data(text), timeout=timeout, encoding=encoding)

    def start_tls(self) -> None:
        """Begins TLS in the middle of the conversation, with the option ``tls`` of the driver. It
        does not wait: the next sends and receives wait for the handshake."""
        self._talk("start_tls")

    def tls(self) -> Dict[str, Any]:
        """What was negotiated for TLS: ``version``, ``cipher``, ``server_name``, ``alpn``,
        ``peer_certificate`` and ``is_resumed``. During the handshake it is an error: a send or
        receive waits for its end."""
        return self._talk("tls")

    def shutdown_write(self) -> None:
        """Says to the peer that no more will be sent."""
        self._talk("shutdown_write")

    def _received(self, method: str, **parameters: Any) -> bytes:
        return _bytes(self._talk(method, **parameters)["data"])

    def _received_text(self, method: str, **parameters: Any) -> str:
        parameters["as"] = "text"
        return str(self._talk(method, **parameters)["data"]["text"])


class Connection(_Talks):
    """One connection of a server or client."""

    def __init__(self, driver: "_TcpDriver", found: Dict[str, Any]) -> None:
        self._driver = driver
        self._is_of_server = driver._is_of_server
        #: Its place in the order of the connections of its driver, from 0.
        self.index = int(found["index"])
        #: The address of the driver's end.
        self.local_address = str(found["local"])
        #: The address of the peer's end.
        self.peer_address = str(found["peer"])

    def __repr__(self) -> str:
        return (
            f"<connection {self.index} of {self._driver.name!r} "
            f"({self.local_address} <-> {self.peer_address})>"
        )

    def close(self) -> None:
        """Closes it."""
        self._talk("close")

    def reset(self) -> None:
        """Resets it: the peer gets an error where it waits."""
        self._talk("reset")

    @property
    def is_open(self) -> bool:
        """Whether it is still open on this side."""
        return bool(self._talk("connection")["is_open"])

    @property
    def is_connected(self) -> bool:
        """Whether it is up: neither closed, nor reset, nor ended by both sides."""
        return bool(self._talk("connection")["is_connected"])

    @property
    def peer_has_ended(self) -> bool:
        """Whether the peer has finished sending."""
        return bool(self._talk("connection")["peer_has_ended"])

    def transcript(self, last: Optional[int] = None) -> str:
        """What was recorded of it, as text."""
        last_given = {} if last is None else {"last": last}
        data = self._talk("transcript", **last_given)["data"]
        return str(data["text"])

    def _talk(self, method: str, **parameters: Any) -> Dict[str, Any]:
        return self._driver._ask(method, connection=self.index, **_given(**parameters))


class Held(Connection):
    """A conversation of a driver that answers by itself, in the hands of the test."""

    def __init__(self, driver: "_TcpDriver", found: Dict[str, Any]) -> None:
        super().__init__(driver, found["connection"])
        #: The name under which it was held; ``None`` if it was taken over.
        self.name: Optional[str] = found["name"]
        #: The frame for which it is held.
        self.frame: Optional[bytes] = None if found["frame"] is None else _bytes(found["frame"])
        #: The state that it is in, if any.
        self.state: Optional[str] = found["state"]

    def capture(self, group: str) -> Optional[bytes]:
        """What a group of the pattern has matched in the frame."""
        data = self._talk("capture", group=group)["data"]
        return None if data is None else _bytes(data)

    def hand_back(self) -> None:
        """Hands it back to the driver, which goes on with it."""
        self._talk("hand_back")

    def take(self) -> Connection:
        """Keeps the connection for good."""
        return Connection(self._driver, self._talk("take")["connection"])


class _TcpDriver(Driver, _Talks):
    """What servers and clients have in common. What they say and hear goes over the latest
    connection of a server that is open, and over the one that a client has."""

    def connection(self, index: Optional[int] = None) -> Connection:
        """The connection of that index, or the one that is meant without one."""
        which = {} if index is None else {"connection": index}
        return Connection(self, self._ask("connection", **which)["connection"])

    def held(self, name: str, timeout: Optional[float] = 10.0) -> Held:
        """Waits for a conversation that a rule holds under this name."""
        return Held(self, self._ask("held", name=name, timeout=timeout))

    def take_over(self, index: int, timeout: Optional[float] = 10.0) -> Held:
        """Takes a conversation into the hands of the test wherever it is."""
        return Held(self, self._ask("take_over", connection=index, timeout=timeout))

    def wait_until(
        self,
        *,
        rule: Optional[str] = None,
        times: int = 1,
        frames: Optional[int] = None,
        connections: Optional[int] = None,
        dialogue: Optional[int] = None,
        timeout: Optional[float] = 10.0,
    ) -> None:
        """Waits until a rule has matched, so much has come, or a dialogue is over; without any of
        these until everything has come that must."""
        what: Dict[str, Any] = {"frames": frames, "connections": connections, "dialogue": dialogue}
        what = {name: value for name, value in what.items() if value is not None}
        if rule is not None:
            what.update(rule=rule, times=times)
        self._ask("wait_until", timeout=timeout, **what)

    def ledger(self, *rules: str) -> Dict[str, Any]:
        """What it has heard by itself: ``connections``, ``frames``, ``matched`` (by rule, of those
        that are asked for), ``unexpected`` and ``unmet``."""
        return self._ask("ledger", rules=list(rules))

    def verify(self) -> None:
        """Fails unless everything that must happen has happened, and nothing unexpected."""
        self._ask("verify")

    def _talk(self, method: str, **parameters: Any) -> Dict[str, Any]:
        return self._ask(method, **_given(**parameters))


class TcpServer(_TcpDriver):
    """A server. Connections have an index, from 0."""

    _is_of_server = True

    def accept_connection(self, timeout: Optional[float] = 10.0) -> Connection:
        """Accepts the next connection."""
        found = self._ask("accept_connection", timeout=timeout)["connection"]
        return Connection(self, found)

    def close_connection(self, index: Optional[int] = None) -> None:
        """Closes the connection of that index, or the latest one."""
        self.connection(index).close()

    @property
    def host(self) -> str:
        """The host that it listens on, as configured."""
        return str(self.context["host"])

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.context["port"])

    @property
    def local_host(self) -> str:
        """The host that it listens on, as testplan calls it."""
        return self.host

    @property
    def local_port(self) -> int:
        """The port that it listens on, as testplan calls it."""
        return self.port

    @property
    def connection_identifier(self) -> int:
        """What identifies its connections: the port."""
        return self.port

    @property
    def address(self) -> Tuple[str, int]:
        """Host and port, as :func:`socket.create_connection` takes them."""
        context = self.context
        return str(context["host"]), int(context["port"])

    def refuse(self) -> None:
        """Refuses connections from now on; those that it has go on."""
        self._ask("refuse")

    def go_away(self) -> None:
        """Closes all connections and refuses new ones, as if it had been stopped."""
        self._ask("go_away")

    def come_back(self) -> None:
        """Listens again on the same port."""
        self._ask("come_back")


class TcpClient(_TcpDriver):
    """A client."""

    _is_of_server = False

    def connect(self) -> Connection:
        """Connects; the connection that it had before is closed."""
        return Connection(self, self._ask("connect")["connection"])

    def reconnect(self) -> Connection:
        """Connects again, as testplan calls it."""
        return self.connect()

    def close(self) -> None:
        """Closes its connection."""
        self._ask("close")

    def send_tsp(self, data: Bytes) -> Tuple[float, int]:
        """Sends the bytes, and returns when that began, in microseconds since 1970, and how many
        were sent."""
        began = time.time() * 1e6
        return began, self.send(data)

    @property
    def host(self) -> str:
        """The host of its server."""
        return str(self.context["host"])

    @property
    def port(self) -> int:
        """Its own port, as testplan calls it."""
        return int(self.context["port"])

    @property
    def server_port(self) -> int:
        """The port of its server."""
        return int(self.context["server_port"])


#: How a direction of a proxy is: ``{"latency": 0.02}``, or several that are meant for different
#: connections.
Link = Union[Dict[str, Any], List[Dict[str, Any]]]


class Fault:
    """A fault that was put into a proxy."""

    def __init__(self, proxy: "TcpProxy", found: Dict[str, Any]) -> None:
        self._proxy = proxy
        self._number = int(found["fault"])
        #: What it is, in words.
        self.description = str(found["description"])

    def __repr__(self) -> str:
        return f"<fault of {self._proxy.name!r}: {self.description}>"

    @property
    def count(self) -> int:
        """The number of connections on which it has happened."""
        return int(self._ask("fault_count")["count"])

    def wait(self, timeout: Optional[float] = 10.0) -> None:
        """Waits until it has happened."""
        self._ask("wait_for_fault", timeout=timeout)

    def withdraw(self) -> None:
        """Removes it. If it has not happened, that no longer fails the stop."""
        self._ask("withdraw")

    def _ask(self, method: str, **parameters: Any) -> Dict[str, Any]:
        return self._proxy._ask(method, fault=self._number, **parameters)


class TcpProxy(Driver):
    """A proxy between a peer and its target, with faults that come and go while the test runs."""

    def set_link(self, direction: str, link: Optional[Link] = None, **options: Any) -> None:
        """Says how a direction, ``"up"`` to the target or ``"down"``, is from now on:
        ``set_link("down", latency=0.02, bandwidth=100_000)``; without more as if there were no
        proxy."""
        self._ask("set_link", direction=direction, link=options if link is None else link)

    def inject(self, kind: Union[str, Dict[str, Any]], **options: Any) -> Fault:
        """Adds a fault, with the options that it has in files:
        ``inject("reset", direction="down", after_bytes=100)``, ``inject({"delay": 0.05})``."""
        return Fault(self, self._ask("inject", fault={"kind": kind, **options}))

    def clear(self) -> None:
        """Takes everything away: faults, links and pauses, those of the file too."""
        self._ask("clear")

    def cut(self, kind: str = "reset") -> None:
        """Does something to all connections that are open, at once: ``reset``, ``close`` or
        ``silence``."""
        self._ask("cut", kind=kind)

    def pause(self, direction: str, time: Optional[float] = None) -> None:
        """Lets nothing through in a direction, for ``time`` seconds or until it is healed."""
        self._ask("pause", direction=direction, time=time)

    def partition(self, time: Optional[float] = None) -> None:
        """Lets nothing through in either direction, for ``time`` seconds or until it is healed."""
        self._ask("pause", time=time)

    def heal(self) -> None:
        """Ends every pause and every silence: what was held goes on."""
        self._ask("heal")

    def refuse(self) -> None:
        """Refuses connections from now on; those that it has go on."""
        self._ask("refuse")

    def come_back(self) -> None:
        """Accepts connections again."""
        self._ask("come_back")

    def wait_until_open(self, most: int, timeout: Optional[float] = 10.0) -> None:
        """Waits until so many connections or fewer are open."""
        self._ask("wait_until_open", most=most, timeout=timeout)

    @property
    def host(self) -> str:
        """The host that it listens on, as configured."""
        return str(self.context["host"])

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.context["port"])

    @property
    def address(self) -> Tuple[str, int]:
        """Host and port, as :func:`socket.create_connection` takes them."""
        context = self.context
        return str(context["host"]), int(context["port"])

    @property
    def traffic(self) -> Dict[str, Any]:
        """What has gone through it: ``target``, ``connections``, ``open`` ones of them, and how
        many bytes, ``up`` and ``down``."""
        return self._ask("traffic")


TCPServer = TcpServer
TCPClient = TcpClient


def driver(service: Service, name: str, kind: str) -> Driver:
    """The driver of that type."""
    kinds = {"TcpServer": TcpServer, "TcpClient": TcpClient, "TcpProxy": TcpProxy}
    return kinds.get(kind, Driver)(service, name, kind)
