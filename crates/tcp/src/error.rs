use std::fmt;

use miette::Diagnostic;
use standin_config::{PortError, ResolveError};
use standin_driver::ContextError;
use standin_entity::Status;
use standin_error::Reportable;
use standin_error::text::Count;
use standin_record::LastRecords;
use standin_reply::{HandOverError, ScriptError, StuckError, VerifyError};
use standin_socket::{AcceptError, BindError, ConnectError, ControlError, ReceiveError, SendError};
use thiserror::Error;

use crate::{Encoding, UnknownEncoding};

/// The errors of a TCP driver.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum TcpError {
    /// The driver was used before it was started, or after it was stopped.
    #[error("driver \"{driver}\" is not running: {}", status.in_words())]
    #[diagnostic(
        code(standin::tcp::not_running),
        help(
            "use \"{driver}\" between the start and the stop of its environment; a dropped environment guard stops it, so bind the guard to a name"
        )
    )]
    NotRunning {
        /// The driver.
        driver: String,
        /// Its status.
        status: Status,
    },
    /// The test has failed elsewhere, so that all waits end.
    #[error("driver \"{driver}\" stopped waiting\n{reason}")]
    #[diagnostic(
        code(standin::tcp::interrupted),
        help("fix what failed the test first")
    )]
    Interrupted {
        /// The driver.
        driver: String,
        /// What the environment knows about that, on separate lines.
        reason: String,
    },
    /// The client is running, but has no connection.
    #[error("client \"{driver}\" is not connected{}", Beneath(records))]
    #[diagnostic(
        code(standin::tcp::not_connected),
        help(
            "call `connect()` first; with `connect_at_start = false` and after `close()` a client is not connected"
        )
    )]
    NotConnected {
        /// The client.
        driver: String,
        /// The last records of its connections.
        records: Option<LastRecords>,
    },
    /// The server has no open connection to use by default.
    #[error(
        "server \"{driver}\" has no open connection: {}{}",
        if *accepted == 0 { "it has accepted none yet" } else { "all that it has accepted have ended" },
        Beneath(records)
    )]
    #[diagnostic(
        code(standin::tcp::no_connection),
        help("call `accept_connection` once a client connects")
    )]
    NoConnection {
        /// The server.
        driver: String,
        /// How many connections it has accepted since it started.
        accepted: usize,
        /// Their last records.
        records: Option<LastRecords>,
    },
    /// The server has no open connection of that index.
    #[error(
        "server \"{driver}\" has no open connection {index}{}",
        Beneath(records)
    )]
    #[diagnostic(code(standin::tcp::unknown_connection), help("{}", open_connections(open, *accepted)))]
    UnknownConnection {
        /// The server.
        driver: String,
        /// The requested index.
        index: usize,
        /// How many connections it has accepted since it started.
        accepted: usize,
        /// The indices of the connections that are open.
        open: Vec<usize>,
        /// The last records of all connections that it has accepted.
        records: Option<LastRecords>,
    },
    /// The configured port is not a valid port.
    #[error("driver \"{driver}\": {source}")]
    #[diagnostic(
        code(standin::tcp::port),
        help("give a number from 0 to 65535, or the name of a TCP service such as \"http\"")
    )]
    Port {
        /// The driver.
        driver: String,
        /// The reason.
        source: PortError,
    },
    /// The label names no known encoding.
    #[error(transparent)]
    #[diagnostic(transparent)]
    UnknownEncoding(#[from] UnknownEncoding),
    /// The text has a character that the encoding lacks; nothing was sent.
    #[error("driver \"{driver}\" cannot send {character:?} in {encoding}: the encoding lacks it")]
    #[diagnostic(
        code(standin::tcp::encode),
        help("nothing was sent; choose another encoding with `with_encoding`, or send bytes")
    )]
    Encode {
        /// The driver.
        driver: String,
        /// The encoding.
        encoding: Encoding,
        /// The character.
        character: char,
    },
    /// The bytes are not text in the encoding; they are kept for the next receive.
    #[error("driver \"{driver}\" received {} that cannot be read as {encoding}: {}{}", Count(bytes.len(), "byte"), Bytes(bytes, *position), Beneath(records))]
    #[diagnostic(
        code(standin::tcp::decode),
        help(
            "the bytes are kept for the next receive: take more of them if a character was cut in two, receive lines or what comes first (`receive_some_text`), choose another encoding with `with_encoding`, or receive bytes"
        )
    )]
    Decode {
        /// The driver.
        driver: String,
        /// The encoding.
        encoding: Encoding,
        /// All bytes that were to be decoded, without what must not be shown.
        bytes: Vec<u8>,
        /// How many of them, from the start, can be decoded.
        position: usize,
        /// The last records of the connection.
        records: Option<LastRecords>,
    },
    /// The driver answers by itself, so that the test does not do this itself.
    #[error("driver \"{driver}\" answers by itself")]
    #[diagnostic(code(standin::tcp::answers_by_itself), help("{instead}"))]
    AnswersByItself {
        /// The driver.
        driver: String,
        /// The alternative.
        instead: &'static str,
    },
    /// The driver does not answer by itself.
    #[error("driver \"{driver}\" does not answer by itself")]
    #[diagnostic(
        code(standin::tcp::no_replies),
        help("give it `replies`, or `framing` and rules in a file; or talk over its connections")
    )]
    NoReplies {
        /// The driver.
        driver: String,
    },
    /// A conversation of a driver that answers by itself has not come into the hands of the test.
    #[error("{failed}{}", on_lines(note))]
    #[diagnostic(forward(failed))]
    HandOver {
        /// Why.
        failed: HandOverError,
        /// Possible causes that the environment knows.
        note: Option<String>,
    },
    /// An awaited event has not happened, on a driver that answers by itself.
    #[error("{failed}{}", on_lines(note))]
    #[diagnostic(forward(failed))]
    NotSeen {
        /// Why.
        failed: standin_reply::WaitError,
        /// Possible causes that the environment knows.
        note: Option<String>,
    },
    /// Not everything has happened that the replies demand, or something unexpected.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Verify(#[from] VerifyError),
    /// Code of the replies keeps the thread that answers.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stuck(#[from] StuckError),
    /// The replies cannot work.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Replies(#[from] ScriptError),
    /// The system has no thread for a driver that answers by itself.
    #[error("driver \"{driver}\" cannot answer by itself")]
    #[diagnostic(
        code(standin::tcp::no_reactor),
        help("the process has too many threads or open files")
    )]
    NoReactor {
        /// The driver.
        driver: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A context value has no value.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Context(#[from] ContextError),
    /// An option has no value.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Options(#[from] ResolveError),
    /// The options of TLS, or the files that they name, are not as they should be.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    #[diagnostic(transparent)]
    Tls(#[from] standin_tls::TlsConfigError),
    /// A file with certificates cannot be written.
    #[cfg(feature = "tls")]
    #[error("driver \"{driver}\" cannot write its certificates to `{}`", path.display())]
    #[diagnostic(
        code(standin::tcp::tls_file),
        help("they are below its runpath, which this user must be allowed to write to")
    )]
    TlsFile {
        /// The driver.
        driver: String,
        /// Where they were to be.
        path: std::path::PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// There is no connection that speaks TLS.
    #[cfg(feature = "tls")]
    #[error("{failed}{}", on_lines(note))]
    #[diagnostic(forward(failed))]
    AcceptTls {
        /// Why.
        failed: standin_tls::TlsAcceptError,
        /// Possible causes that the environment knows.
        note: Option<String>,
    },
    /// A connection cannot begin TLS.
    #[cfg(feature = "tls")]
    #[error("driver \"{driver}\": {failed}")]
    #[diagnostic(forward(failed))]
    StartTls {
        /// The driver.
        driver: String,
        /// Why.
        failed: Box<standin_tls::StartTlsError>,
    },
    /// A connection does not speak TLS.
    #[cfg(feature = "tls")]
    #[error("the connection of driver \"{driver}\" does not speak TLS")]
    #[diagnostic(
        code(standin::tcp::no_tls),
        help("give the driver `tls`, or call `start_tls` on the connection")
    )]
    NoTls {
        /// The driver.
        driver: String,
    },
    /// A connection is in its handshake.
    #[cfg(feature = "tls")]
    #[error("the connection of driver \"{driver}\" is still in the handshake of TLS")]
    #[diagnostic(
        code(standin::tcp::tls_under_way),
        help("send or receive something first, which waits for the end of the handshake")
    )]
    TlsUnderWay {
        /// The driver.
        driver: String,
    },
    /// The handshake of a connection has failed.
    #[cfg(feature = "tls")]
    #[error("the connection of driver \"{driver}\" does not speak TLS: {failed}")]
    #[diagnostic(forward(failed))]
    TlsFailed {
        /// The driver.
        driver: String,
        /// Why.
        failed: std::sync::Arc<standin_socket::TransformError>,
    },
    /// The server cannot listen.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bind(#[from] BindError),
    /// No connection was accepted.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Accept(#[from] AcceptError),
    /// The client cannot connect.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Connect(#[from] ConnectError),
    /// Not all bytes could be sent.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Send(#[from] SendError),
    /// The bytes did not come.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Receive(#[from] ReceiveError),
    /// A server or connection could not be made to do something.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Control(#[from] ControlError),
    /// No connection was made to a server whose port has changed since it was started again.
    #[error(
        "\"{server}\" had the port {before} until it was started again, and has {now} now: {failed}"
    )]
    #[diagnostic(
        code(standin::tcp::moved),
        help(
            "each start of a server with port 0 takes a free port; with `go_away` and `come_back` it vanishes and returns on the same one. Otherwise also restart those that have the old port"
        )
    )]
    Moved {
        /// The server.
        server: String,
        /// The port that it had.
        before: u16,
        /// The port that it has.
        now: u16,
        /// What failed.
        failed: Box<TcpError>,
    },
}

standin_error::reportable!(TcpError, parts = TcpError::parts);

impl TcpError {
    /// Returns whether the time limit was exceeded.
    pub fn is_timeout(&self) -> bool {
        match self {
            TcpError::Accept(error) => error.is_timeout(),
            TcpError::Connect(error) => error.is_timeout(),
            TcpError::Send(error) => error.is_timeout(),
            TcpError::Receive(error) => error.is_timeout(),
            TcpError::Moved { failed, .. } => failed.is_timeout(),
            TcpError::HandOver { failed, .. } => matches!(failed, HandOverError::TimedOut { .. }),
            #[cfg(feature = "tls")]
            TcpError::AcceptTls { failed, .. } => failed.is_timeout(),
            TcpError::NotSeen { failed, .. } => {
                matches!(failed, standin_reply::WaitError::TimedOut { .. })
            }
            _ => false,
        }
    }

    /// Returns whether the peer has closed its end and everything before that was received.
    pub fn is_peer_closed(&self) -> bool {
        matches!(self, TcpError::Receive(error) if error.is_peer_closed())
    }

    /// The errors that this one passes on.
    fn parts(&self) -> Vec<&(dyn Reportable + 'static)> {
        match self {
            TcpError::UnknownEncoding(error) => vec![error],
            TcpError::Context(error) => vec![error],
            TcpError::Options(error) => vec![error],
            TcpError::Bind(error) => vec![error],
            TcpError::Accept(error) => vec![error],
            TcpError::Connect(error) => vec![error],
            TcpError::Send(error) => vec![error],
            TcpError::Receive(error) => vec![error],
            TcpError::Control(error) => vec![error],
            TcpError::Moved { failed, .. } => vec![&**failed],
            TcpError::HandOver { failed, .. } => vec![failed],
            TcpError::NotSeen { failed, .. } => vec![failed],
            #[cfg(feature = "tls")]
            TcpError::Tls(error) => vec![error],
            #[cfg(feature = "tls")]
            TcpError::AcceptTls { failed, .. } => vec![failed],
            #[cfg(feature = "tls")]
            TcpError::StartTls { failed, .. } => vec![&**failed],
            #[cfg(feature = "tls")]
            TcpError::TlsFailed { failed, .. } => vec![&**failed],
            TcpError::Verify(error) => vec![error],
            TcpError::Stuck(error) => vec![error],
            TcpError::Replies(error) => vec![error],
            _ => Vec::new(),
        }
    }
}

/// Records below a sentence.
struct Beneath<'a>(&'a Option<LastRecords>);

impl fmt::Display for Beneath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(records) => write!(f, "\n\n{records}"),
            None => Ok(()),
        }
    }
}

/// A note below a sentence.
fn on_lines(note: &Option<String>) -> String {
    note.as_ref()
        .map_or_else(String::new, |note| format!("\n{note}"))
}

fn open_connections(open: &[usize], accepted: usize) -> String {
    match open {
        [] => format!(
            "none is open; {accepted} were accepted so far: call `accept_connection` once a client connects"
        ),
        open => {
            let open: Vec<String> = open.iter().map(usize::to_string).collect();
            format!(
                "open are: {}; an index is never used again, and without one the latest is meant",
                open.join(", ")
            )
        }
    }
}

/// The bytes around the one that cannot be decoded.
struct Bytes<'a>(&'a [u8], usize);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bytes(bytes, position) = *self;
        let from = position.saturating_sub(16);
        let to = bytes.len().min(position + 16);
        write!(f, "byte {position} of \"")?;
        if from > 0 {
            f.write_str("...")?;
        }
        write!(f, "{}", bytes[from..to].escape_ascii())?;
        if to < bytes.len() {
            f.write_str("...")?;
        }
        f.write_str("\"")
    }
}
