//! The same with testplan, the Python framework that the drivers follow, where it is installed.

use crate::python;

/// Prints microseconds each of a round trip in one thread, and of a connect and accept.
const SCRIPT: &str = r#"
import sys, time
from testplan.common.utils.sockets.client import Client
from testplan.common.utils.sockets.server import Server

server = Server(host="127.0.0.1", port=0, listen=128)
server.bind()
server.serve()

def each(count, step):
    started = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - started) * 1e6 / count

client = Client("127.0.0.1", server.port)
client.connect()
server.accept_connection()
message = b"Z" * 64

def roundtrip():
    client.send(message)
    server.receive(size=64, conn_idx=0)
    server.send(message, conn_idx=0)
    client.receive(64)

clients = []

def connect_accept():
    another = Client("127.0.0.1", server.port)
    another.connect()
    server.accept_connection()
    clients.append(another)

roundtrip()
print("roundtrip_one_thread", each(2000, roundtrip))
print("connect_accept", each(5, connect_accept))
server.close()
"#;

/// What testplan takes for the figure, if it can be asked.
pub(crate) fn testplan(figure: &str) -> Option<f64> {
    let text = python::output(SCRIPT, &[])?;
    let line = text.lines().find_map(|line| line.strip_prefix(figure))?;
    line.trim().parse().ok()
}
