//! The methods that accept, connect, send and receive.

use std::future::Future;
use std::time::Duration;

use serde_json::{Value, json};
use standin::tcp::Talk;
use standin::{Result, TcpConnection, TcpError};
use standin_sync::Unpoisoned;

use super::call::{Call, Data, base64};
use super::conversations::Shared;
use super::field::{Field, Kind, optional, required};
use super::method::Method;
use super::peer::{CONNECTION_RESULT, DRIVER, LIMIT, client, info, peer, proxy, server};
use super::waiter::Waiter;

/// The default timeout for a connection, as in testplan.
const LIMIT_OF_ACCEPT: Duration = Duration::from_secs(10);

/// The default maximum for a receive of the first bytes, as in testplan.
const SOME: usize = 1024;

const CONNECTION: Field = optional(
    "connection",
    Kind::Count,
    "The index of the connection. Default: the latest one of a server that is open, or the one \
     that a client has.",
);
const TIMEOUT: Field = optional(
    "timeout",
    Kind::Limit,
    "How long it may take; null for as long as it takes. Default: the driver's `io_timeout`.",
);
const ENCODING: Field = optional(
    "encoding",
    Kind::Text,
    "The encoding of text, such as `latin-1`. Default: the driver's `encoding`.",
);
const AS: Field = optional(
    "as",
    Kind::Choice(&["base64", "text"]),
    "How the result encodes the bytes. Default: `base64`.",
);
const DATA: Field = required("data", Kind::Data, "The bytes.");
const RECEIVED: &[Field] = &[required("data", Kind::Data, "What was received.")];
const SENT: &[Field] = &[required("sent", Kind::Count, "How many bytes were sent.")];
const FRAMING: Field = required(
    "framing",
    Kind::Framing,
    "How the stream is cut into frames: `\"lines\"`, `{\"delimiter\": data}`, \
     `{\"fixed_size\": 8}` or `{\"length_prefix\": {\"width\": 4, \"endian\": \"big\", \
     \"counts_itself\": false, \"limit\": 1024}}`.",
);

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "accept_connection",
        doc: "Waits for the next connection of a server.",
        parameters: &[DRIVER, LIMIT],
        result: &[CONNECTION_RESULT],
        run: accept_connection,
    },
    Method {
        name: "connect",
        doc: "Connects a client; the connection that it had before is closed.",
        parameters: &[DRIVER],
        result: &[CONNECTION_RESULT],
        run: connect,
    },
    Method {
        name: "connection",
        doc: "Returns the state of a connection.",
        parameters: &[DRIVER, CONNECTION],
        result: &[
            CONNECTION_RESULT,
            required(
                "is_open",
                Kind::Flag,
                "Whether it is still open on this side.",
            ),
            required("is_connected", Kind::Flag, "Whether it is up."),
            required(
                "peer_has_ended",
                Kind::Flag,
                "Whether the peer has finished sending.",
            ),
            required("state", Kind::Text, "The state of the stream, in words."),
        ],
        run: connection,
    },
    Method {
        name: "send",
        doc: "Sends all of the bytes.",
        parameters: &[DRIVER, CONNECTION, DATA, ENCODING, TIMEOUT],
        result: SENT,
        run: send,
    },
    Method {
        name: "send_frame",
        doc: "Sends the bytes as one frame.",
        parameters: &[DRIVER, CONNECTION, DATA, FRAMING, TIMEOUT],
        result: SENT,
        run: send_frame,
    },
    Method {
        name: "send_in_pieces",
        doc: "Sends the bytes in pieces, with a pause between them.",
        parameters: &[
            DRIVER,
            CONNECTION,
            DATA,
            required("size", Kind::Count, "How many bytes each piece has."),
            required("every", Kind::Seconds, "How long each pause is."),
            TIMEOUT,
        ],
        result: SENT,
        run: send_in_pieces,
    },
    Method {
        name: "receive_exactly",
        doc: "Receives exactly this many bytes.",
        parameters: &[
            DRIVER,
            CONNECTION,
            required("size", Kind::Count, "How many bytes."),
            AS,
            ENCODING,
            TIMEOUT,
        ],
        result: RECEIVED,
        run: receive_exactly,
    },
    Method {
        name: "receive_some",
        doc: "Receives what comes first: at least one byte. As text only whole characters.",
        parameters: &[
            DRIVER,
            CONNECTION,
            optional(
                "limit",
                Kind::Count,
                "How many bytes at most. Default: 1024.",
            ),
            AS,
            ENCODING,
            TIMEOUT,
        ],
        result: RECEIVED,
        run: receive_some,
    },
    Method {
        name: "receive_until",
        doc: "Receives up to and including a delimiter.",
        parameters: &[
            DRIVER,
            CONNECTION,
            required("delimiter", Kind::Data, "The delimiter."),
            AS,
            ENCODING,
            TIMEOUT,
        ],
        result: RECEIVED,
        run: receive_until,
    },
    Method {
        name: "receive_line",
        doc: "Receives a line that ends with LF or CRLF, and returns it without its end.",
        parameters: &[DRIVER, CONNECTION, AS, ENCODING, TIMEOUT],
        result: RECEIVED,
        run: receive_line,
    },
    Method {
        name: "receive_frame",
        doc: "Receives one frame, and returns what it carries.",
        parameters: &[DRIVER, CONNECTION, FRAMING, TIMEOUT],
        result: RECEIVED,
        run: receive_frame,
    },
    Method {
        name: "receive_to_end",
        doc: "Receives everything until the peer closes its end.",
        parameters: &[DRIVER, CONNECTION, AS, ENCODING, TIMEOUT],
        result: RECEIVED,
        run: receive_to_end,
    },
    Method {
        name: "receive_until_silence",
        doc: "Receives everything until nothing has arrived for a while; nothing if nothing arrives.",
        parameters: &[
            DRIVER,
            CONNECTION,
            required("silence", Kind::Seconds, "How long that while is."),
            TIMEOUT,
        ],
        result: RECEIVED,
        run: receive_until_silence,
    },
    Method {
        name: "receive_buffered",
        doc: "Receives what has already arrived, which may be nothing.",
        parameters: &[DRIVER, CONNECTION],
        result: RECEIVED,
        run: receive_buffered,
    },
    Method {
        name: "expect",
        doc: "Receives these bytes. Anything else is an error at once, which shows the difference.",
        parameters: &[DRIVER, CONNECTION, DATA, ENCODING, TIMEOUT],
        result: &[],
        run: expect,
    },
    Method {
        name: "start_tls",
        doc: "Begins TLS in the middle of a conversation, with the option `tls` of the driver. It \
              does not wait: the next sends and receives wait for the handshake.",
        parameters: &[DRIVER, CONNECTION],
        result: &[],
        run: start_tls,
    },
    Method {
        name: "tls",
        doc: "Returns what both sides of a connection have negotiated for TLS. During the handshake \
              it is an error: a send or receive waits for its end.",
        parameters: &[DRIVER, CONNECTION],
        result: &[
            required("version", Kind::Text, "The version, such as `TLS 1.3`."),
            required(
                "cipher",
                Kind::Text,
                "The cipher suite by its standard name.",
            ),
            required(
                "server_name",
                Kind::MaybeText,
                "The server name that the client requested (SNI).",
            ),
            required(
                "alpn",
                Kind::MaybeText,
                "The protocol that was agreed on (ALPN).",
            ),
            required(
                "peer_certificate",
                Kind::MaybeText,
                "The peer's certificate: subject, names, authority and dates; null if it has \
                 shown none.",
            ),
            required(
                "is_resumed",
                Kind::Flag,
                "Whether an earlier session shortened the handshake.",
            ),
        ],
        run: tls,
    },
    Method {
        name: "close",
        doc: "Closes a connection.",
        parameters: &[DRIVER, CONNECTION],
        result: &[],
        run: close,
    },
    Method {
        name: "shutdown_write",
        doc: "Signals to the peer that nothing more will be sent. Receiving still works.",
        parameters: &[DRIVER, CONNECTION],
        result: &[],
        run: shutdown_write,
    },
    Method {
        name: "reset",
        doc: "Resets a connection: the peer gets an error where it waits.",
        parameters: &[DRIVER, CONNECTION],
        result: &[],
        run: reset,
    },
    Method {
        name: "refuse",
        doc: "Makes a server or a proxy refuse new connections. Existing ones continue.",
        parameters: &[DRIVER],
        result: &[],
        run: refuse,
    },
    Method {
        name: "go_away",
        doc: "Makes a server close all connections and refuse new ones, as if it had been stopped.",
        parameters: &[DRIVER],
        result: &[],
        run: go_away,
    },
    Method {
        name: "come_back",
        doc: "Makes a server or a proxy listen again, on the same port, after `refuse` or `go_away`.",
        parameters: &[DRIVER],
        result: &[],
        run: come_back,
    },
];

/// A connection that a request talks over.
struct Line {
    connection: TcpConnection,
    /// The conversation that it belongs to, which nobody hands back meanwhile.
    held: Option<Shared>,
}

impl Line {
    /// The connection that a request names, with the limit and the encoding that it names.
    fn of(call: &Call<'_>) -> Result<Self> {
        let peer = peer(call)?;
        let index = call.count("connection");
        let held = index.and_then(|index| {
            let driver = call.required_text("driver");
            call.client.held.find(driver, index)
        });
        let mut connection = match &held {
            Some(held) => held.lock().unpoisoned().connection().clone(),
            None => peer.connection(index)?,
        };
        if let Some(encoding) = call.text("encoding") {
            connection = connection.with_encoding(encoding)?;
        }
        let limit = call.limit("timeout", peer.io_timeout()?);
        Ok(Self {
            connection: connection.with_timeout(limit),
            held,
        })
    }

    /// The connection to send on, after what was still to be sent.
    fn to_send(call: &Call<'_>) -> Result<Self> {
        let line = Self::of(call)?;
        if let Some(held) = &line.held {
            let mut held = held.lock().unpoisoned();
            call.wait(held.send_rest_with(call.waiter, call.place))?;
        }
        Ok(line)
    }

    /// What is said over it, as the request wants it.
    fn talk<'l>(&'l self, call: &Call<'l>) -> Talk<'l, &'l Waiter> {
        self.connection.talk(call.waiter, call.place)
    }
}

/// Receives bytes or text, as the request says.
fn receive_as(
    call: &Call<'_>,
    bytes: impl Future<Output = Result<Vec<u8>, TcpError>>,
    text: impl Future<Output = Result<String, TcpError>>,
) -> Result<Value> {
    Ok(match call.text("as") {
        Some("text") => json!({ "data": { "text": call.wait(text)? } }),
        _ => json!({ "data": base64(&call.wait(bytes)?) }),
    })
}

fn accept_connection(call: &Call<'_>) -> Result<Value> {
    let server = server(call)?;
    let limit = call.limit("timeout", LIMIT_OF_ACCEPT);
    let connection = call.wait(server.accept_with(call.waiter, call.place, limit))?;
    Ok(json!({ "connection": info(call.required_text("driver"), &connection) }))
}

fn connect(call: &Call<'_>) -> Result<Value> {
    let client = client(call)?;
    let connection = call.wait(client.connect_with(call.waiter, call.place))?;
    Ok(json!({ "connection": info(call.required_text("driver"), &connection) }))
}

fn connection(call: &Call<'_>) -> Result<Value> {
    let connection = Line::of(call)?.connection;
    Ok(json!({
        "connection": info(call.required_text("driver"), &connection),
        "is_open": connection.is_open(),
        "is_connected": connection.is_connected(),
        "peer_has_ended": connection.peer_has_ended(),
        "state": connection.stream_state().to_string(),
    }))
}

fn send(call: &Call<'_>) -> Result<Value> {
    let data = call.data("data")?;
    let line = Line::to_send(call)?;
    let sent = match data {
        Data::Bytes(bytes) => call.wait(line.talk(call).send(bytes))?,
        Data::Text(text) => call.wait(line.talk(call).send_text(text))?,
    };
    Ok(json!({ "sent": sent }))
}

fn send_frame(call: &Call<'_>) -> Result<Value> {
    let payload = call.data("data")?.into_bytes();
    let mut framing = call.framing("framing")?;
    let line = Line::to_send(call)?;
    let sent = call.wait(line.talk(call).send_frame(&mut *framing, payload))?;
    Ok(json!({ "sent": sent }))
}

fn send_in_pieces(call: &Call<'_>) -> Result<Value> {
    let bytes = call.data("data")?.into_bytes();
    let size = call.required_count("size");
    let every = call.required_seconds("every");
    let line = Line::to_send(call)?;
    let sent = call.wait(line.talk(call).send_in_pieces(bytes, size, every))?;
    Ok(json!({ "sent": sent }))
}

fn receive_exactly(call: &Call<'_>) -> Result<Value> {
    let size = call.required_count("size");
    let line = Line::of(call)?;
    let talk = line.talk(call);
    receive_as(
        call,
        talk.receive_exactly(size),
        talk.receive_exactly_text(size),
    )
}

fn receive_some(call: &Call<'_>) -> Result<Value> {
    let limit = call.count("limit").unwrap_or(SOME);
    let line = Line::of(call)?;
    let talk = line.talk(call);
    receive_as(
        call,
        talk.receive_some(limit),
        talk.receive_some_text(limit),
    )
}

fn receive_until(call: &Call<'_>) -> Result<Value> {
    let line = Line::of(call)?;
    let talk = line.talk(call);
    match (call.data("delimiter")?, call.text("as")) {
        (Data::Text(text), Some("text")) => {
            let received = call.wait(talk.receive_until_text(text))?;
            Ok(json!({ "data": { "text": received } }))
        }
        (_, Some("text")) => Err(call
            .bad("delimiter", "a text where text is received")
            .into()),
        (delimiter, _) => {
            let received = call.wait(talk.receive_until(delimiter.into_bytes()))?;
            Ok(json!({ "data": base64(&received) }))
        }
    }
}

fn receive_line(call: &Call<'_>) -> Result<Value> {
    let line = Line::of(call)?;
    let talk = line.talk(call);
    receive_as(call, talk.receive_line(), talk.receive_line_text())
}

fn receive_frame(call: &Call<'_>) -> Result<Value> {
    let mut framing = call.framing("framing")?;
    let line = Line::of(call)?;
    let received = call.wait(line.talk(call).receive_frame(&mut *framing))?;
    Ok(json!({ "data": base64(&received) }))
}

fn receive_to_end(call: &Call<'_>) -> Result<Value> {
    let line = Line::of(call)?;
    let talk = line.talk(call);
    receive_as(call, talk.receive_to_end(), talk.receive_to_end_text())
}

fn receive_until_silence(call: &Call<'_>) -> Result<Value> {
    let silence = call.required_seconds("silence");
    let line = Line::of(call)?;
    let received = call.wait(line.talk(call).receive_until_silence(silence))?;
    Ok(json!({ "data": base64(&received) }))
}

fn receive_buffered(call: &Call<'_>) -> Result<Value> {
    let received = Line::of(call)?.connection.receive_buffered()?;
    Ok(json!({ "data": base64(&received) }))
}

fn expect(call: &Call<'_>) -> Result<Value> {
    let line = Line::of(call)?;
    match call.data("data")? {
        Data::Bytes(bytes) => call.wait(line.talk(call).expect(bytes))?,
        Data::Text(text) => call.wait(line.talk(call).expect_text(text))?,
    }
    Ok(json!({}))
}

fn start_tls(call: &Call<'_>) -> Result<Value> {
    Line::to_send(call)?.connection.start_tls()?;
    Ok(json!({}))
}

fn tls(call: &Call<'_>) -> Result<Value> {
    let tls = Line::of(call)?.connection.tls()?;
    Ok(json!({
        "version": tls.version.to_string(),
        "cipher": tls.cipher,
        "server_name": tls.server_name,
        "alpn": tls.alpn,
        "peer_certificate": tls.peer_certificate().map(ToString::to_string),
        "is_resumed": tls.is_resumed,
    }))
}

fn close(call: &Call<'_>) -> Result<Value> {
    Line::of(call)?.talk(call).close();
    Ok(json!({}))
}

fn shutdown_write(call: &Call<'_>) -> Result<Value> {
    Line::to_send(call)?.talk(call).shutdown_write()?;
    Ok(json!({}))
}

fn reset(call: &Call<'_>) -> Result<Value> {
    Line::of(call)?.talk(call).reset()?;
    Ok(json!({}))
}

fn refuse(call: &Call<'_>) -> Result<Value> {
    match proxy(call) {
        Ok(proxy) => proxy.refuse()?,
        Err(_) => server(call)?.refuse()?,
    }
    Ok(json!({}))
}

fn go_away(call: &Call<'_>) -> Result<Value> {
    server(call)?.go_away()?;
    Ok(json!({}))
}

fn come_back(call: &Call<'_>) -> Result<Value> {
    match proxy(call) {
        Ok(proxy) => proxy.come_back()?,
        Err(_) => server(call)?.come_back()?,
    }
    Ok(json!({}))
}
