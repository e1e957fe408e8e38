//! The TCP drivers.

use std::time::{Duration, SystemTime};

use standin::testplan::{ClientNames, ServerNames};
use standin::{TcpConnection, TcpError};

use super::Entry;
use crate::failure::Failure;
use crate::value::Value;
use crate::world::{Call, Outcome};

pub(super) const OPERATIONS: &[Entry] = &[
    ("tcpserver.accept_connection", accept_connection),
    ("tcpserver.close_connection", close_connection),
    ("tcpserver.send", server_send),
    ("tcpserver.send_text", server_send_text),
    ("tcpserver.receive", server_receive),
    ("tcpserver.receive_text", server_receive_text),
    ("tcpserver.get", server_get),
    ("tcpclient.connect", connect),
    ("tcpclient.reconnect", reconnect),
    ("tcpclient.close", close),
    ("tcpclient.send", client_send),
    ("tcpclient.send_text", client_send_text),
    ("tcpclient.send_tsp", send_tsp),
    ("tcpclient.send_tsp_unit", send_tsp_unit),
    ("tcpclient.send_is_partial", send_is_partial),
    ("tcpclient.receive", client_receive),
    ("tcpclient.receive_text", client_receive_text),
    ("tcpclient.get", client_get),
];

/// How long an accept waits in the reference unless told otherwise, in seconds.
pub(super) const ACCEPT_TIMEOUT: f64 = 10.0;

/// The same of a send and a receive.
pub(super) const TIMEOUT: f64 = 30.0;

/// How much a receive takes at most unless told otherwise.
pub(super) const SIZE: usize = 1024;

/// What is to be sent: bytes, or what becomes bytes by itself.
pub(super) fn message(call: &Call) -> Result<&[u8], Failure> {
    match call.arg("msg") {
        Some(Value::Bytes(bytes)) => Ok(bytes),
        Some(Value::Text(text)) => Ok(text.as_bytes()),
        other => Err(Failure::error(
            "type_error",
            format!(
                "a {} cannot be sent",
                other.map_or("nothing", Value::python_type)
            ),
        )),
    }
}

/// The server's connection that the step means, with its timeout.
fn of_server(call: &Call) -> Result<TcpConnection, Failure> {
    let server = call.driver()?.server()?;
    let timeout = call.timeout("timeout", TIMEOUT)?;
    let connection = match call.size("conn_idx")? {
        Some(index) => server.connection(index)?,
        None => server.latest_connection()?,
    };
    Ok(connection.with_timeout(timeout))
}

/// The client's connection, with the timeout of the step.
fn of_client(call: &Call) -> Result<TcpConnection, Failure> {
    let timeout = call.timeout("timeout", TIMEOUT)?;
    Ok(call.driver()?.client()?.connection()?.with_timeout(timeout))
}

/// The same connection with the encoding of the step.
fn encoded(call: &Call, connection: TcpConnection) -> Result<TcpConnection, Failure> {
    match call.given("standard").and_then(Value::as_str) {
        Some(label) => Ok(connection.with_encoding(label)?),
        None => Ok(connection),
    }
}

/// The end of the stream is nothing at all, as in the reference.
fn or_nothing<T: Default>(received: Result<T, TcpError>) -> Result<T, TcpError> {
    match received {
        Err(error) if error.is_peer_closed() => Ok(T::default()),
        received => received,
    }
}

fn accept_connection(call: &Call) -> Outcome {
    let timeout = call.timeout("timeout", ACCEPT_TIMEOUT)?;
    let accepted = call.driver()?.server()?.accept_connection(timeout);
    index_or_timeout(
        accepted
            .map(|connection| connection.index())
            .map_err(Failure::from),
    )
}

/// That nobody came is an error here, and -1 there.
pub(super) fn index_or_timeout(accepted: Result<usize, Failure>) -> Outcome {
    match accepted {
        Ok(index) => Ok(Value::count(index)),
        Err(Failure::Error { category, .. }) if category == "timeout" => Ok(Value::Int(-1)),
        Err(failure) => Err(failure),
    }
}

fn close_connection(call: &Call) -> Outcome {
    let index = call.size("conn_idx")?.unwrap_or_default();
    call.driver()?.server()?.close_connection(index)?;
    Ok(Value::Null)
}

fn server_send(call: &Call) -> Outcome {
    Ok(Value::count(of_server(call)?.send(message(call)?)?))
}

fn server_send_text(call: &Call) -> Outcome {
    let connection = encoded(call, of_server(call)?)?;
    Ok(Value::count(connection.send_text(call.text("msg")?)?))
}

fn server_receive(call: &Call) -> Outcome {
    let connection = of_server(call)?;
    Ok(Value::Bytes(match call.size("size")? {
        Some(size) => connection.receive_exactly(size)?,
        None => or_nothing(connection.receive_some(SIZE))?,
    }))
}

fn server_receive_text(call: &Call) -> Outcome {
    let connection = encoded(call, of_server(call)?)?;
    Ok(Value::text(match call.size("size")? {
        Some(size) => connection.receive_exactly_text(size)?,
        None => or_nothing(connection.receive_some_text(SIZE))?,
    }))
}

fn server_get(call: &Call) -> Outcome {
    let server = call.driver()?.server()?;
    Ok(match call.text("attr")? {
        "host" => Value::maybe_text(server.host()),
        "port" => Value::maybe_int(server.port()),
        "local_host" => Value::maybe_text(server.local_host()),
        "local_port" => Value::maybe_int(server.local_port()),
        "connection_identifier" => Value::maybe_int(server.connection_identifier()),
        "socket" => {
            server.socket()?;
            Value::Opaque("socket")
        }
        other => {
            return Err(Failure::error(
                "no_attribute",
                format!("a server has no {other}"),
            ));
        }
    })
}

fn connect(call: &Call) -> Outcome {
    call.driver()?.client()?.connect()?;
    Ok(Value::Null)
}

fn reconnect(call: &Call) -> Outcome {
    call.driver()?.client()?.reconnect()?;
    Ok(Value::Null)
}

fn close(call: &Call) -> Outcome {
    call.driver()?.client()?.close();
    Ok(Value::Null)
}

fn client_send(call: &Call) -> Outcome {
    Ok(Value::count(call.driver()?.client()?.send(message(call)?)?))
}

fn client_send_text(call: &Call) -> Outcome {
    let connection = encoded(call, of_client(call)?)?;
    Ok(Value::count(connection.send_text(call.text("msg")?)?))
}

fn send_tsp(call: &Call) -> Outcome {
    let (began, sent) = call.driver()?.client()?.send_tsp(message(call)?)?;
    Ok(Value::Tuple(vec![Value::Float(began), Value::count(sent)]))
}

fn send_tsp_unit(call: &Call) -> Outcome {
    let (began, sent) = call.driver()?.client()?.send_tsp(message(call)?)?;
    Ok(time_of_sending(began, sent))
}

/// In which unit a time since 1970 is.
pub(super) fn time_of_sending(began: f64, sent: usize) -> Value {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::MAX)
        .as_secs_f64();
    let ratio = began / now;
    let unit = if (0.999e6..1.001e6).contains(&ratio) {
        "microseconds_since_epoch"
    } else if (0.99..1.01).contains(&ratio) {
        "seconds"
    } else {
        "other"
    };
    Value::map([
        ("type", Value::text("float")),
        ("sent", Value::count(sent)),
        ("unit", Value::text(unit)),
    ])
}

fn send_is_partial(call: &Call) -> Outcome {
    let size = call.size("n")?.unwrap_or_default();
    let sent = call.driver()?.client()?.send(vec![b'z'; size])?;
    Ok(if sent == size {
        Value::text("all")
    } else if sent > 0 {
        Value::text("partial")
    } else {
        Value::count(sent)
    })
}

fn client_receive(call: &Call) -> Outcome {
    let connection = of_client(call)?;
    let limit = call.size("size")?.unwrap_or(SIZE);
    Ok(Value::Bytes(or_nothing(connection.receive_some(limit))?))
}

fn client_receive_text(call: &Call) -> Outcome {
    let connection = encoded(call, of_client(call)?)?;
    let limit = call.size("size")?.unwrap_or(SIZE);
    Ok(Value::text(or_nothing(
        connection.receive_some_text(limit),
    )?))
}

fn client_get(call: &Call) -> Outcome {
    let client = call.driver()?.client()?;
    Ok(match call.text("attr")? {
        "host" => Value::maybe_text(client.host()),
        "port" => Value::maybe_int(client.port()),
        "server_port" => Value::maybe_int(client.server_port()),
        "local_host" => Value::maybe_text(client.local_host()),
        "local_port" => Value::maybe_int(client.local_port()),
        "connection_identifier" => Value::maybe_int(client.connection_identifier()),
        other => {
            return Err(Failure::error(
                "no_attribute",
                format!("a client has no {other}"),
            ));
        }
    })
}
