//! Plain sockets that the runner owns: the peers of what is tested.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use super::Entry;
use crate::category::of_io;
use crate::failure::Failure;
use crate::value::{Object, Value};
use crate::world::{Call, Outcome, Shared};

pub(super) const OPERATIONS: &[Entry] = &[
    ("raw.listen", listen),
    ("raw.bind", bind),
    ("raw.port", port),
    ("raw.peer", peer),
    ("raw.peer_port", peer_port),
    ("raw.accept", accept),
    ("raw.connect", connect),
    ("raw.connect_many", connect_many_operation),
    ("raw.socket", socket),
    ("raw.connect_to", connect_to),
    ("raw.fill_backlog", fill_backlog),
    ("raw.send", send),
    ("raw.send_oob", send_oob),
    ("raw.recv", recv),
    ("raw.recv_exact", recv_exact),
    ("raw.close", close),
    ("raw.shutdown_write", shutdown_write),
    ("raw.reset", reset),
    ("tcp.transfer_all", transfer_all),
];

/// A plain socket; `None` once closed.
pub(crate) struct RawSocket(Shared<Option<Socket>>);

fn done<T>(result: std::io::Result<T>) -> Result<T, Failure> {
    result.map_err(|error| of_io(&error))
}

fn handle(socket: Socket) -> Outcome {
    let socket = RawSocket(Shared::new(Some(socket)));
    Ok(Value::handle(socket))
}

impl Object for RawSocket {
    fn class(&self) -> String {
        "socket".to_owned()
    }
}

impl RawSocket {
    /// Another handle of the socket, so that nothing is locked while it waits.
    fn get(&self) -> Result<Socket, Failure> {
        match &*self.0.lock() {
            Some(socket) => done(socket.try_clone()),
            None => Err(Failure::Error {
                category: "os_error".to_owned(),
                errno: Some("EBADF".to_owned()),
                message: "the socket is closed".to_owned(),
            }),
        }
    }
}

fn tcp() -> Result<Socket, Failure> {
    done(Socket::new(Domain::IPV4, Type::STREAM, None))
}

fn address(call: &Call) -> Result<SocketAddr, Failure> {
    let host = call
        .given("host")
        .and_then(Value::as_str)
        .unwrap_or("127.0.0.1");
    let port = call.int("port")?.unwrap_or(0);
    resolve(host, port)
}

fn resolve(host: &str, port: i64) -> Result<SocketAddr, Failure> {
    let port = u16::try_from(port)
        .map_err(|_| Failure::error("out_of_range", format!("{port} is not a port")))?;
    let mut addresses = done((host, port).to_socket_addrs())?;
    addresses
        .find(SocketAddr::is_ipv4)
        .ok_or_else(|| Failure::error("name_resolution", format!("{host} has no address")))
}

fn bound(call: &Call) -> Result<Socket, Failure> {
    let socket = tcp()?;
    if call.flag("reuseaddr", false) {
        done(socket.set_reuse_address(true))?;
    }
    done(socket.bind(&address(call)?.into()))?;
    Ok(socket)
}

fn listen(call: &Call) -> Outcome {
    let socket = bound(call)?;
    let backlog = i32::try_from(call.int("backlog")?.unwrap_or(16)).unwrap_or(16);
    done(socket.listen(backlog))?;
    handle(socket)
}

fn bind(call: &Call) -> Outcome {
    handle(bound(call)?)
}

fn port(call: &Call) -> Outcome {
    let address = done(call.socket()?.get()?.local_addr())?;
    Ok(Value::maybe_int(
        address.as_socket().map(|address| address.port()),
    ))
}

fn peer(call: &Call) -> Outcome {
    let address = done(call.socket()?.get()?.peer_addr())?;
    Ok(Value::maybe_text(
        address.as_socket().map(|address| address.ip().to_string()),
    ))
}

fn peer_port(call: &Call) -> Outcome {
    let address = done(call.socket()?.get()?.peer_addr())?;
    Ok(Value::maybe_int(
        address.as_socket().map(|address| address.port()),
    ))
}

fn accept(call: &Call) -> Outcome {
    let listener = call.socket()?.get()?;
    done(listener.set_read_timeout(call.timeout("timeout", 3.0)?))?;
    let (socket, _) = done(listener.accept())?;
    handle(socket)
}

fn connect(call: &Call) -> Outcome {
    let socket = tcp()?;
    if let Some(size) = call.size("rcvbuf")? {
        done(socket.set_recv_buffer_size(size))?;
    }
    if let Some([Value::Text(host), Value::Int(port)]) = call.given("bind").and_then(Value::items) {
        done(socket.bind(&resolve(host, *port)?.into()))?;
    }
    connect_within(
        &socket,
        &address(call)?.into(),
        call.timeout("timeout", 3.0)?,
    )?;
    handle(socket)
}

fn connect_within(
    socket: &Socket,
    address: &SockAddr,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    done(match timeout {
        Some(timeout) => socket.connect_timeout(address, timeout),
        None => socket.connect(address),
    })
}

fn connect_many_operation(call: &Call) -> Outcome {
    let timeout = call.timeout("timeout", 10.0)?;
    let count = call.size("n")?.unwrap_or_default();
    let sockets = connect_many(
        resolve("127.0.0.1", call.int("port")?.unwrap_or(0))?,
        count,
        timeout,
    );
    let connected = Value::count(sockets.len());
    call.world.keep(sockets);
    Ok(connected)
}

/// Connects `count` times at once, and gives those that succeeded.
pub(super) fn connect_many(
    address: SocketAddr,
    count: usize,
    timeout: Option<Duration>,
) -> Vec<Socket> {
    let one = || -> Result<Socket, Failure> {
        let socket = tcp()?;
        connect_within(&socket, &address.into(), timeout)?;
        Ok(socket)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
        let joined = threads.into_iter().filter_map(|thread| thread.join().ok());
        joined.filter_map(Result::ok).collect()
    })
}

fn socket(_: &Call) -> Outcome {
    handle(tcp()?)
}

fn connect_to(call: &Call) -> Outcome {
    let socket = call.socket()?.get()?;
    connect_within(
        &socket,
        &address(call)?.into(),
        Some(Duration::from_secs(3)),
    )?;
    Ok(Value::Null)
}

fn fill_backlog(call: &Call) -> Outcome {
    let count = call.size("n")?.unwrap_or_default();
    let address = resolve("127.0.0.1", call.int("port")?.unwrap_or(0))?;
    let mut sockets = Vec::new();
    for _ in 0..count {
        let socket = tcp()?;
        done(socket.set_nonblocking(true))?;
        // It is under way then.
        let _ = socket.connect(&address.into());
        sockets.push(socket);
    }
    call.world.keep(sockets);
    Ok(Value::count(count))
}

fn message(call: &Call) -> Result<&[u8], Failure> {
    match call.arg("msg") {
        Some(Value::Bytes(bytes)) => Ok(bytes),
        _ => Err(Failure::broken("msg has to be bytes")),
    }
}

fn send(call: &Call) -> Outcome {
    let socket = call.socket()?.get()?;
    let message = message(call)?;
    let mut rest = message;
    while !rest.is_empty() {
        let sent = done(socket.send(rest))?;
        rest = &rest[sent..];
    }
    Ok(Value::count(message.len()))
}

fn send_oob(call: &Call) -> Outcome {
    let sent = done(call.socket()?.get()?.send_out_of_band(message(call)?))?;
    Ok(Value::count(sent))
}

fn recv(call: &Call) -> Outcome {
    let socket = call.socket()?.get()?;
    let size = call.size("size")?.unwrap_or(1024);
    done(socket.set_read_timeout(call.timeout("timeout", 2.0)?))?;
    Ok(Value::Bytes(receive(&socket, size)?))
}

fn receive(socket: &Socket, size: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; size];
    let received = done(std::io::Read::read(&mut &*socket, &mut bytes))?;
    bytes.truncate(received);
    Ok(bytes)
}

fn recv_exact(call: &Call) -> Outcome {
    let socket = call.socket()?.get()?;
    let size = call.size("size")?.unwrap_or_default();
    done(socket.set_read_timeout(call.timeout("timeout", 2.0)?))?;
    let mut bytes = Vec::new();
    while bytes.len() < size {
        let more = receive(&socket, size - bytes.len())?;
        if more.is_empty() {
            break;
        }
        bytes.extend(more);
    }
    Ok(Value::Bytes(bytes))
}

fn transfer_all(call: &Call) -> Outcome {
    let peer = call.named("peer")?;
    let socket = peer.required::<RawSocket>("peer")?.get()?;
    let total = call.size("total")?.unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(60);
    done(socket.set_read_timeout(Some(Duration::from_secs(5))))?;
    let mut received = 0;
    while received < total && Instant::now() < end {
        let more = receive(&socket, 65_536)?;
        if more.is_empty() {
            break;
        }
        received += more.len();
    }
    Ok(Value::count(received))
}

fn close(call: &Call) -> Outcome {
    drop(call.socket()?.0.lock().take());
    Ok(Value::Null)
}

fn shutdown_write(call: &Call) -> Outcome {
    done(call.socket()?.get()?.shutdown(std::net::Shutdown::Write))?;
    Ok(Value::Null)
}

fn reset(call: &Call) -> Outcome {
    if let Some(socket) = call.socket()?.0.lock().take() {
        done(socket.set_linger(Some(Duration::ZERO)))?;
    }
    Ok(Value::Null)
}
