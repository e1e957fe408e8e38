//! The sockets below the TCP drivers, and what can be seen of a driver's.

use std::time::{Duration, Instant, SystemTime};

use standin::socket::{Client, Connection, Server};

use super::tcp::{ACCEPT_TIMEOUT, SIZE, TIMEOUT, index_or_timeout, message, time_of_sending};
use super::{Entry, raw};
use crate::failure::Failure;
use crate::value::{Object, Value};
use crate::world::{Call, Outcome, Shared};

pub(super) const OPERATIONS: &[Entry] = &[
    ("server.new", new_server),
    ("server.bind", bind),
    ("server.serve", serve),
    ("server.get", server_get),
    ("server.accept_connection", accept_connection),
    ("server.close_connection", close_connection),
    ("server.send", server_send),
    ("server.receive", server_receive),
    ("server.close", close_server),
    ("server.counters", counters),
    ("server.wait_pending", wait_pending),
    ("server.fds", fds),
    ("server.fds_distinct", fds_distinct),
    ("server.thread_alive", thread_alive),
    ("burst.connect_and_accept", burst),
    ("client.new", new_client),
    ("client.get", client_get),
    ("client.connect", connect),
    ("client.send", client_send),
    ("client.send_unit", send_unit),
    ("client.receive", client_receive),
    ("client.recv", recv),
    ("client.close", close_client),
];

/// A server as the reference has it: made first, bound later.
pub(crate) struct PlainServer {
    host: String,
    port: Value,
    server: Shared<Option<Server>>,
}

/// A client, and the latest connection that it had, open or not.
pub(crate) struct PlainClient {
    client: Client,
    port: Value,
    connection: Shared<Option<Connection>>,
}

fn host(call: &Call) -> String {
    let host = call.given("host").and_then(Value::as_str);
    host.unwrap_or("localhost").to_owned()
}

/// Ports of plain sockets are numbers; a text does not compile.
fn port(value: &Value) -> Result<u16, Failure> {
    match value {
        Value::Int(number) => u16::try_from(*number)
            .map_err(|_| Failure::error("out_of_range", format!("{number} is not a port"))),
        other => {
            let kind = other.python_type();
            Err(Failure::error(
                "type_error",
                format!("a port cannot be a {kind}"),
            ))
        }
    }
}

fn new_server(call: &Call) -> Outcome {
    let server = PlainServer {
        host: host(call),
        port: call.given("port").cloned().unwrap_or(Value::Int(0)),
        server: Shared::default(),
    };
    Ok(Value::handle(server))
}

impl Object for PlainServer {
    fn class(&self) -> String {
        "Server".to_owned()
    }
}

impl Object for PlainClient {
    fn class(&self) -> String {
        "Client".to_owned()
    }
}

fn bind(call: &Call) -> Outcome {
    let plain = call.server()?;
    let server = Server::builder().host(&plain.host).port(port(&plain.port)?);
    *plain.server.lock() = Some(server.bind()?);
    Ok(Value::Null)
}

/// A server listens from when it is bound; there is nothing more to serve. One
/// that could not be bound tries again.
fn serve(call: &Call) -> Outcome {
    match listening(call) {
        Ok(_) => Ok(Value::Null),
        Err(_) => bind(call),
    }
}

/// The listening socket of a plain server, or of a driver.
fn listening(call: &Call) -> Result<Server, Failure> {
    if let Ok(driver) = call.driver() {
        return Ok(driver.server()?.socket()?);
    }
    let server = call.server()?.server.lock().clone();
    server.ok_or_else(|| Failure::error("runtime_error", "the server is not bound"))
}

fn server_get(call: &Call) -> Outcome {
    let plain = call.server()?;
    let server = plain.server.lock().clone();
    Ok(match call.text("attr")? {
        "host" => Value::text(&plain.host),
        "ip" => Value::maybe_text(
            server
                .and_then(|server| server.local_socket_addr())
                .map(|address| address.ip().to_string()),
        ),
        "port" => Value::maybe_int(server.map(|server| server.port())),
        "socket" => server.map_or(Value::Null, |_| Value::Opaque("socket")),
        "active_connections" => Value::count(server.map_or(0, |server| server.active())),
        "accepted_connections" => Value::count(server.map_or(0, |server| server.accepted())),
        other => {
            return Err(Failure::error(
                "no_attribute",
                format!("a server has no {other}"),
            ));
        }
    })
}

fn accept_connection(call: &Call) -> Outcome {
    let timeout = call.timeout("timeout", ACCEPT_TIMEOUT)?;
    let accepted = listening(call)?.accept(timeout);
    index_or_timeout(
        accepted
            .map(|connection| connection.index())
            .map_err(Failure::from),
    )
}

fn close_connection(call: &Call) -> Outcome {
    let index = call.size("conn_idx")?.unwrap_or_default();
    listening(call)?.close_connection(index)?;
    Ok(Value::Null)
}

/// The connection that the step means.
fn connection(call: &Call) -> Result<Connection, Failure> {
    let server = listening(call)?;
    let found = match call.size("conn_idx")? {
        Some(index) => server.connection(index),
        None => server.latest(),
    };
    found.ok_or_else(|| match server.accepted() {
        0 => Failure::error("no_connection", "no connection was accepted"),
        _ => Failure::error("connection_not_active", "the connection is not active"),
    })
}

/// A timeout of a plain socket is the system's there.
fn plainly(failure: impl Into<Failure>) -> Failure {
    match failure.into() {
        Failure::Error {
            category,
            errno,
            message,
        } if category == "timeout" => Failure::Error {
            category: "os_timeout".to_owned(),
            errno,
            message,
        },
        failure => failure,
    }
}

fn server_send(call: &Call) -> Outcome {
    let timeout = call.timeout("timeout", TIMEOUT)?;
    let sent = connection(call)?.send(message(call)?, timeout);
    Ok(Value::count(sent.map_err(plainly)?))
}

fn server_receive(call: &Call) -> Outcome {
    let timeout = call.timeout("timeout", TIMEOUT)?;
    let size = call.size("size")?.unwrap_or(SIZE);
    let connection = connection(call)?;
    let received = match call.flag("wait_full_size", true) {
        true => connection.receive_exactly(size, timeout),
        false => connection.receive_some(size, timeout),
    };
    Ok(Value::Bytes(received.map_err(plainly)?))
}

fn close_server(call: &Call) -> Outcome {
    if let Some(server) = &*call.server()?.server.lock() {
        server.close();
    }
    Ok(Value::Null)
}

fn counters(call: &Call) -> Outcome {
    let server = listening(call)?;
    // Who waits to be accepted is a connection there already.
    let active = server.active() + server.pending();
    Ok(Value::map([
        ("active_connections", Value::count(active)),
        ("accepted_connections", Value::count(server.accepted())),
    ]))
}

/// Waits until the peer that will get this index has connected.
fn wait_pending(call: &Call) -> Outcome {
    let server = listening(call)?;
    let index = call.size("index")?.unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        if server.accepted() + server.pending() > index {
            return Ok(Value::Bool(true));
        }
        if Instant::now() >= end {
            return Ok(Value::Bool(false));
        }
        // Accepting would take the index, and nothing else waits for a peer.
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn fds(call: &Call) -> Outcome {
    let connections = listening(call)?.connections();
    let indices = connections
        .iter()
        .map(|connection| Value::count(connection.index()));
    Ok(Value::List(indices.collect()))
}

fn fds_distinct(call: &Call) -> Outcome {
    let count = listening(call)?.connections().len();
    Ok(Value::map([
        ("indices", fds(call)?),
        ("distinct_fds", Value::count(count)),
        ("sockets", Value::count(count)),
    ]))
}

/// There is no thread that serves; what counts is whether peers can connect.
fn thread_alive(call: &Call) -> Outcome {
    Ok(Value::Bool(listening(call)?.is_open()))
}

/// Many connect at once, and are accepted then.
fn burst(call: &Call) -> Outcome {
    let server = listening(call)?;
    let count = call.size("n")?.unwrap_or_default();
    let address = std::net::SocketAddr::from((
        [127, 0, 0, 1],
        port(call.arg("port").unwrap_or(&Value::Null))?,
    ));
    let connected = raw::connect_many(address, count, Some(Duration::from_secs(8)));
    let all = |number: usize| Value::text(if number == count { "all" } else { "some" });
    let client_side = all(connected.len());
    call.world.keep(connected);
    let mut accepted = 0;
    while accepted < count && server.accept(Duration::from_secs(1)).is_ok() {
        accepted += 1;
    }
    Ok(Value::map([
        ("client_side_connected", client_side),
        ("server_accepted", all(accepted)),
    ]))
}

fn new_client(call: &Call) -> Outcome {
    let value = call.given("port").cloned().unwrap_or(Value::Null);
    let mut builder = Client::builder().host(host(call)).port(port(&value)?);
    if let Some([Value::Text(host), from]) = call.given("interface").and_then(Value::items) {
        builder = builder.interface(host, port(from)?);
    }
    let client = PlainClient {
        client: builder.build(),
        port: value,
        connection: Shared::default(),
    };
    Ok(Value::handle(client))
}

/// The latest connection, open or not.
fn latest(call: &Call) -> Result<Connection, Failure> {
    let connection = call.client()?.connection.lock().clone();
    connection.ok_or_else(|| Failure::error("not_connected", "the client has never connected"))
}

fn client_get(call: &Call) -> Outcome {
    match call.text("attr")? {
        "address" => {
            let address = latest(call)?.local_address().clone();
            Ok(Value::Tuple(vec![
                Value::maybe_text(address.ip().map(|ip| ip.to_string())),
                Value::maybe_int(address.port()),
            ]))
        }
        "port" => Ok(call.client()?.port.clone()),
        other => Err(Failure::error(
            "no_attribute",
            format!("a client has no {other}"),
        )),
    }
}

fn connect(call: &Call) -> Outcome {
    let client = call.client()?;
    let connection = client
        .client
        .connect(Duration::from_secs(30))
        .map_err(plainly)?;
    *client.connection.lock() = Some(connection);
    Ok(Value::Null)
}

fn timed_send(call: &Call) -> Result<(f64, usize), Failure> {
    let began = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let limit = Duration::from_secs_f64(TIMEOUT);
    let sent = latest(call)?.send(message(call)?, limit).map_err(plainly)?;
    Ok((began.as_secs_f64() * 1e6, sent))
}

fn client_send(call: &Call) -> Outcome {
    let (began, sent) = timed_send(call)?;
    Ok(Value::Tuple(vec![Value::Float(began), Value::count(sent)]))
}

fn send_unit(call: &Call) -> Outcome {
    let (began, sent) = timed_send(call)?;
    Ok(time_of_sending(began, sent))
}

fn client_receive(call: &Call) -> Outcome {
    let timeout = call.timeout("timeout", TIMEOUT)?;
    receive(call, call.size("size")?.unwrap_or(SIZE), timeout)
}

fn recv(call: &Call) -> Outcome {
    let limit = Some(Duration::from_secs_f64(TIMEOUT));
    receive(call, call.size("bufsize")?.unwrap_or(SIZE), limit)
}

/// What comes first; nothing at all when the peer has closed.
fn receive(call: &Call, size: usize, timeout: Option<Duration>) -> Outcome {
    match latest(call)?.receive_some(size, timeout) {
        Ok(bytes) => Ok(Value::Bytes(bytes)),
        Err(error) if error.is_peer_closed() => Ok(Value::Bytes(Vec::new())),
        Err(error) => Err(plainly(error)),
    }
}

fn close_client(call: &Call) -> Outcome {
    call.client()?.client.close();
    Ok(Value::Null)
}
