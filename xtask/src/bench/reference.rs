//! The same with testplan, the Python framework that the drivers follow, where it is installed.

use std::{
    env,
    io::Write as _,
    process::{Command, Stdio},
};

/// The Python that has testplan, if not `python3`.
const PYTHON: &str = "STANDIN_BENCH_PYTHON";

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
    let python = env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
    let mut child = Command::new(python)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    // A Python without testplan ends before it has read everything, and prints nothing.
    let _ = child.stdin.take()?.write_all(SCRIPT.as_bytes());
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(figure))?;
    line.trim().parse().ok()
}
