//! Where connection infos come from.

use miette::Diagnostic;

use crate::{ConnectionInfo, Direction, Ends, Identifier, ProcessError, Protocol};

/// The values of a driver that extractors use.
///
/// A driver returns what it knows; the default of every method except the name returns nothing.
pub trait ConnectionSource {
    /// The driver's name, for errors and logs.
    fn name(&self) -> &str;

    /// Returns the identifier of its connection: its port for a server, its target's port for a
    /// client. `None` while it is not known.
    fn connection_identifier(&self) -> Option<Identifier> {
        None
    }

    /// The host of its own end.
    fn local_host(&self) -> Option<String> {
        None
    }

    /// The port of its own end.
    fn local_port(&self) -> Option<u16> {
        None
    }

    /// The addresses of its established connections.
    fn ends(&self) -> Vec<Ends> {
        Vec::new()
    }

    /// The process that it runs, if it is a driver that runs one.
    fn process(&self) -> ProcessState {
        ProcessState::NoProcess
    }
}

/// The process of a driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessState {
    /// The driver is of a kind that runs no process.
    NoProcess,
    /// The process has not started, or has ended.
    NotRunning,
    /// The process runs under this id.
    Running(u32),
}

/// Finds the connections of a driver.
///
/// Implement it for kinds of connection of your own: a message queue, a shared
/// memory segment, a device.
///
/// ```
/// use standin_connection::{
///     ConnectionExtractor, ConnectionInfo, ConnectionSource, Direction, ExtractError,
/// };
///
/// /// Every driver publishes to the same queue.
/// #[derive(Debug)]
/// struct Queue;
///
/// impl ConnectionExtractor for Queue {
///     fn extract(&self, _: &dyn ConnectionSource) -> Result<Vec<ConnectionInfo>, ExtractError> {
///         let info = ConnectionInfo::new("mq", Direction::Connecting).with_identifier("/orders");
///         Ok(vec![info])
///     }
/// }
///
/// struct Publisher;
///
/// impl ConnectionSource for Publisher {
///     fn name(&self) -> &str {
///         "publisher"
///     }
/// }
///
/// let infos = Queue.extract(&Publisher)?;
/// assert_eq!(infos[0].connection_rep(), "mq:///orders");
/// # Ok::<(), ExtractError>(())
/// ```
pub trait ConnectionExtractor: std::fmt::Debug + Send + Sync {
    /// The connections that `source` has now.
    ///
    /// # Errors
    ///
    /// Returns an error if they cannot be found out. A driver that has none, or does not run,
    /// is not an error: it has no connections.
    fn extract(&self, source: &dyn ConnectionSource) -> Result<Vec<ConnectionInfo>, ExtractError>;
}

/// Extracts the single connection that a driver reports.
///
/// ```
/// use standin_connection::{ConnectionExtractor, OwnConnection};
/// # use standin_connection::{ConnectionSource, Identifier};
/// # struct Server;
/// # impl ConnectionSource for Server {
/// #     fn name(&self) -> &str { "server" }
/// #     fn connection_identifier(&self) -> Option<Identifier> { Some(8080.into()) }
/// #     fn local_port(&self) -> Option<u16> { Some(8080) }
/// # }
/// # let server = Server;
///
/// let infos = OwnConnection::tcp_listening().extract(&server)?;
/// assert_eq!(infos[0].connection_rep(), "tcp://8080");
/// # Ok::<(), standin_connection::ExtractError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnConnection {
    protocol: Protocol,
    direction: Direction,
}

/// Why the connections of a driver could not be found out.
#[derive(thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum ExtractError {
    /// The extractor reads what a process has open, and the driver runs none.
    #[error("driver {driver} has no process whose connections can be read")]
    #[diagnostic(
        code(standin::connection::no_process),
        help("use `OwnConnection`, or implement `ConnectionSource::process`")
    )]
    NoProcess {
        /// The driver's name.
        driver: String,
    },
    /// The open files of the driver's process could not be read.
    #[error("cannot read what driver {driver} has open")]
    #[diagnostic(
        code(standin::connection::process),
        help("{}", source.help().map(|help| help.to_string()).unwrap_or_default())
    )]
    Process {
        /// The driver's name.
        driver: String,
        /// The error.
        #[source]
        source: ProcessError,
    },
    /// An extractor of the user's own failed.
    #[error("cannot determine the connections of driver {driver}")]
    #[diagnostic(
        code(standin::connection::extractor),
        help("see the cause, which the extractor reported")
    )]
    Other {
        /// The driver's name.
        driver: String,
        /// The error of the extractor.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

standin_error::reportable!(ExtractError);

impl OwnConnection {
    /// Creates an end of this protocol and direction.
    pub fn new(protocol: impl Into<Protocol>, direction: Direction) -> Self {
        Self {
            protocol: protocol.into(),
            direction,
        }
    }

    /// Creates the end of a TCP server.
    pub fn tcp_listening() -> Self {
        Self::new(Protocol::Tcp, Direction::Listening)
    }

    /// Creates the end of a TCP client.
    pub fn tcp_connecting() -> Self {
        Self::new(Protocol::Tcp, Direction::Connecting)
    }

    /// Returns the same as [`extract`](ConnectionExtractor::extract), which cannot fail here.
    pub fn info(&self, source: &dyn ConnectionSource) -> ConnectionInfo {
        let mut info = ConnectionInfo::new(self.protocol.clone(), self.direction);
        if let Some(identifier) = source.connection_identifier() {
            info = info.with_identifier(identifier);
        }
        if let Some(host) = source.local_host() {
            info = info.with_host(host);
        }
        if let Some(port) = source.local_port() {
            info = info.with_port(port);
        }
        for ends in source.ends() {
            info = info.with_ends(ends.local(), ends.peer());
        }
        info
    }
}

impl ConnectionExtractor for OwnConnection {
    fn extract(&self, source: &dyn ConnectionSource) -> Result<Vec<ConnectionInfo>, ExtractError> {
        Ok(vec![self.info(source)])
    }
}

impl ExtractError {
    /// For extractors of your own.
    pub fn other(
        driver: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Other {
            driver: driver.into(),
            source: source.into(),
        }
    }
}
