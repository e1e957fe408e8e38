"""The conversation of `cargo xtask compare`, with testplan. Prints a line of
microseconds for each part, for each of the conversations asked for."""

import socket
import sys
import time

from testplan.common.entity import Environment
from testplan.common.utils.context import context
from testplan.testing.multitest.driver.tcp import TCPClient, TCPServer

ROUNDS, TRIPS, RECONNECTS, BURST = (int(word) for word in sys.argv[1:5])
MESSAGE = b"Z" * 64


def part(name, count, step):
    begun = time.perf_counter()
    result = step()
    print(name, (time.perf_counter() - begun) * 1e6 / count)
    return result


def trips(server, client, connection):
    for _ in range(TRIPS):
        client.send(MESSAGE)
        server.receive(size=64, conn_idx=connection)
        server.send(MESSAGE, conn_idx=connection)
        client.receive(64)


def reconnects(server, client):
    for _ in range(RECONNECTS):
        client.reconnect()
        server.accept_connection()


def burst(server):
    peers = [
        socket.create_connection((server.host, server.port))
        for _ in range(BURST)
    ]
    for _ in range(BURST):
        server.accept_connection()
    return peers


for _ in range(ROUNDS):
    environment = Environment()
    server = TCPServer(name="server", host="127.0.0.1")
    client = TCPClient(
        name="client",
        host=context("server", "{{host}}"),
        port=context("server", "{{port}}"),
    )
    environment.add(server)
    environment.add(client)
    part("start", 1, environment.start)
    connection = part("accept", 1, server.accept_connection)
    part("round trip", TRIPS, lambda: trips(server, client, connection))
    part("reconnect", RECONNECTS, lambda: reconnects(server, client))
    peers = part("burst", BURST, lambda: burst(server))
    part("stop", 1, environment.stop)
    for peer in peers:
        peer.close()
