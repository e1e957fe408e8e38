//! The open connections of a running process, as data and as connection infos.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use miette::Diagnostic;

use crate::{
    ConnectionExtractor, ConnectionInfo, ConnectionSource, Direction, Ends, ExtractError,
    ProcessState, Protocol, platform,
};

/// A transport whose sockets can be found in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// The state of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketState {
    /// A TCP socket that listens.
    Listen,
    /// A TCP socket with an established connection.
    Established,
    /// A TCP socket with a connection of which one side has ended its direction.
    HalfClosed,
    /// A UDP socket, which has no state.
    Stateless,
    /// A TCP socket in any other state, on its way up or down.
    Other,
}

/// One socket of a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketRow {
    /// Its transport.
    pub transport: Transport,
    /// Its state.
    pub state: SocketState,
    /// Its own address; `None` before it is bound.
    pub local: Option<SocketAddr>,
    /// The address that it is connected to.
    pub peer: Option<SocketAddr>,
}

/// How a process has opened a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileAccess {
    /// To read only.
    Read,
    /// To write or append only.
    Write,
    /// To read and write.
    ReadWrite,
}

/// One open regular file of a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileRow {
    /// Where it is.
    pub path: PathBuf,
    /// How it was opened.
    pub access: FileAccess,
}

/// Whose sockets and files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProcessScope {
    /// The process and all that descend from it, which share its work in most
    /// servers.
    #[default]
    Tree,
    /// The process alone.
    Alone,
}

/// Why it could not be read what a process has open.
#[derive(thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum ProcessError {
    /// There is no process with this id.
    #[error("there is no process {pid}")]
    #[diagnostic(
        code(standin::connection::no_such_process),
        help("it may have ended; see its log and exit code")
    )]
    NotFound {
        /// The process id.
        pid: u32,
    },
    /// The process belongs to another user.
    #[error("access to process {pid} is denied")]
    #[diagnostic(
        code(standin::connection::access_denied),
        help("run the test as the user that the process runs as")
    )]
    AccessDenied {
        /// The process id.
        pid: u32,
    },
    /// Reading failed in another way.
    #[error("cannot read what process {pid} has open")]
    #[diagnostic(
        code(standin::connection::unreadable),
        help("is /proc mounted, and readable in this container?")
    )]
    Unreadable {
        /// The process id.
        pid: u32,
        /// The system's error.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// This platform does not support it.
    #[error("cannot read what a process has open: not supported on {platform}")]
    #[diagnostic(
        code(standin::connection::not_supported),
        help(
            "this works on Linux; elsewhere let the driver report its own connections with `OwnConnection`"
        )
    )]
    NotSupported {
        /// The platform's name.
        platform: &'static str,
    },
}

standin_error::reportable!(ProcessError);

/// A name that is not that of a known transport.
#[derive(Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("{name:?} is not a transport whose sockets can be found in a process")]
#[diagnostic(
    code(standin::connection::unknown_transport),
    help("the transports are `tcp` and `udp`")
)]
pub struct UnknownTransport {
    /// The name that was given.
    pub name: String,
}

standin_error::reportable!(UnknownTransport);

/// Returns the sockets that a process has open now.
///
/// Entries that vanish while they are read are left out.
///
/// # Errors
///
/// Returns an error if there is no such process, if access is denied, or if the platform does not
/// support it (all except Linux).
pub fn open_sockets(pid: u32, scope: ProcessScope) -> Result<Vec<SocketRow>, ProcessError> {
    platform::open_sockets(pid, scope)
}

/// Returns the regular files that a process has open; files that were deleted since are left out.
///
/// # Errors
///
/// Returns the errors of [`open_sockets`].
pub fn open_files(pid: u32, scope: ProcessScope) -> Result<Vec<FileRow>, ProcessError> {
    platform::open_files(pid, scope)
}

/// Finds the TCP and UDP connections of a driver's process.
///
/// An established TCP connection counts as listening when the process listens
/// on its local address, and as connecting otherwise. A UDP socket listens on
/// its own port, or connects when it is bound to a peer. Listeners without a
/// connection, half-open and closing connections are left out; of a half-closed
/// one the other end decides.
///
/// A driver that does not run, or whose process has just ended or cannot be accessed, has no
/// connections.
///
/// ```
/// use standin_connection::{Direction, ProcessSockets, SocketRow, SocketState, Transport};
///
/// // What `open_sockets` may give for a process that listens on port 80.
/// let row = |state, peer: Option<&str>| SocketRow {
///     transport: Transport::Tcp,
///     state,
///     local: "127.0.0.1:80".parse().ok(),
///     peer: peer.and_then(|peer| peer.parse().ok()),
/// };
/// let sockets = [
///     row(SocketState::Listen, None),
///     row(SocketState::Established, Some("127.0.0.1:5000")),
/// ];
/// let infos = ProcessSockets::new().connections(&sockets);
/// assert_eq!(infos.len(), 1);
/// assert_eq!(infos[0].connection_rep(), "tcp://80");
/// assert_eq!(infos[0].direction(), Direction::Listening);
/// assert_eq!(infos[0].ends()[0].peer().port(), 5000);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProcessSockets {
    only: Vec<Transport>,
    except: Vec<Transport>,
    scope: ProcessScope,
}

/// Finds the files through which a driver's process is connected to others:
/// the reader of a file listens, its writer connects.
///
/// ```
/// use standin_connection::{ConnectionInfo, FileAccess, FileRow, ProcessFiles};
///
/// let log = FileRow { path: "/tmp/app/app.log".into(), access: FileAccess::Write };
/// let out = FileRow { path: "/tmp/app/stdout".into(), access: FileAccess::Write };
/// assert_eq!(
///     ProcessFiles::new().connections(&[log, out]),
///     [ConnectionInfo::file_written("/tmp/app/app.log")]
/// );
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProcessFiles {
    ignored: Vec<String>,
    scope: ProcessScope,
}

impl ProcessSockets {
    /// All transports of the whole process tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Includes only these transports; an empty list means all.
    pub fn only(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.only = transports.into_iter().collect();
        self
    }

    /// Leaves these transports out, also those named by [`only`](Self::only).
    pub fn except(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.except = transports.into_iter().collect();
        self
    }

    /// Sets whose sockets are read; the default is the process tree.
    pub fn scope(mut self, scope: ProcessScope) -> Self {
        self.scope = scope;
        self
    }

    /// Returns the connections among these sockets, which are all those of a process.
    pub fn connections(&self, sockets: &[SocketRow]) -> Vec<ConnectionInfo> {
        let listeners: Vec<SocketAddr> = sockets
            .iter()
            .filter(|row| row.state == SocketState::Listen)
            .filter_map(|row| row.local)
            .collect();
        sockets
            .iter()
            .filter(|row| self.includes(row.transport))
            .filter_map(|row| connection(row, &listeners))
            .collect()
    }

    fn includes(&self, transport: Transport) -> bool {
        let wanted = self.only.is_empty() || self.only.contains(&transport);
        wanted && !self.except.contains(&transport)
    }
}

impl ConnectionExtractor for ProcessSockets {
    fn extract(&self, source: &dyn ConnectionSource) -> Result<Vec<ConnectionInfo>, ExtractError> {
        let sockets = read(source, |pid| open_sockets(pid, self.scope))?;
        Ok(self.connections(&sockets))
    }
}

impl ProcessFiles {
    /// All files of the whole process tree but `stdout` and `stderr`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Leaves out files with these names, in any folder, instead of `stdout` and `stderr`; an empty
    /// list means those two. A name may be the end of a path, as `log/app.log`.
    pub fn ignore(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ignored = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets whose files are read; the default is the process tree.
    pub fn scope(mut self, scope: ProcessScope) -> Self {
        self.scope = scope;
        self
    }

    /// Returns the connections that these open files are.
    pub fn connections(&self, files: &[FileRow]) -> Vec<ConnectionInfo> {
        let mut infos = Vec::new();
        for file in files.iter().filter(|file| !self.ignores(file)) {
            if file.access != FileAccess::Write {
                infos.push(ConnectionInfo::file_read(&file.path));
            }
            if file.access != FileAccess::Read {
                infos.push(ConnectionInfo::file_written(&file.path));
            }
        }
        infos
    }

    fn ignores(&self, file: &FileRow) -> bool {
        if self.ignored.is_empty() {
            file.path.ends_with("stdout") || file.path.ends_with("stderr")
        } else {
            self.ignored.iter().map(Path::new).any(|ignored| {
                let ignored = ignored.strip_prefix(".").unwrap_or(ignored);
                file.path.ends_with(ignored)
            })
        }
    }
}

impl ConnectionExtractor for ProcessFiles {
    fn extract(&self, source: &dyn ConnectionSource) -> Result<Vec<ConnectionInfo>, ExtractError> {
        let files = read(source, |pid| open_files(pid, self.scope))?;
        Ok(self.connections(&files))
    }
}

impl From<Transport> for Protocol {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Udp => Self::Udp,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, UnknownTransport> {
        match name {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(UnknownTransport {
                name: name.to_owned(),
            }),
        }
    }
}

fn connection(row: &SocketRow, listeners: &[SocketAddr]) -> Option<ConnectionInfo> {
    let local = row.local?;
    match (row.state, row.peer) {
        (SocketState::Stateless, None) => Some(listening(row, local)),
        (SocketState::Stateless, Some(peer)) => {
            Some(connecting(row, local, peer).with_ends(local, peer))
        }
        (SocketState::Established | SocketState::HalfClosed, Some(peer)) => {
            let is_listening = listeners.iter().any(|listener| covers(*listener, local));
            let info = if is_listening {
                listening(row, local)
            } else {
                connecting(row, local, peer)
            };
            let ends = Ends::new(local, peer);
            Some(
                info.with_connection(if row.state == SocketState::HalfClosed {
                    ends.half_closed()
                } else {
                    ends
                }),
            )
        }
        _ => None,
    }
}

fn listening(row: &SocketRow, local: SocketAddr) -> ConnectionInfo {
    ConnectionInfo::new(row.transport, Direction::Listening)
        .with_identifier(local.port())
        .with_host(local.ip().to_canonical().to_string())
        .with_port(local.port())
}

fn connecting(row: &SocketRow, local: SocketAddr, peer: SocketAddr) -> ConnectionInfo {
    ConnectionInfo::new(row.transport, Direction::Connecting)
        .with_identifier(peer.port())
        .with_host(local.ip().to_canonical().to_string())
        .with_port(local.port())
}

/// Whether a connection at `local` may have been accepted by `listener`.
fn covers(listener: SocketAddr, local: SocketAddr) -> bool {
    let anywhere = match listener.ip() {
        IpAddr::V4(ip) => ip.is_unspecified() && local.ip().to_canonical().is_ipv4(),
        // A dual-stack listener takes both families.
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    listener.port() == local.port()
        && (anywhere || listener.ip().to_canonical() == local.ip().to_canonical())
}

fn read<T>(
    source: &dyn ConnectionSource,
    read: impl FnOnce(u32) -> Result<Vec<T>, ProcessError>,
) -> Result<Vec<T>, ExtractError> {
    let driver = source.name();
    let pid = match source.process() {
        ProcessState::Running(pid) => pid,
        // Nothing at all, rather than what the test's own process has open.
        ProcessState::NotRunning => return Ok(Vec::new()),
        ProcessState::NoProcess => {
            return Err(ExtractError::NoProcess {
                driver: driver.to_owned(),
            });
        }
    };
    match read(pid) {
        Ok(rows) => Ok(rows),
        Err(error @ (ProcessError::NotFound { .. } | ProcessError::AccessDenied { .. })) => {
            tracing::info!(driver, pid, %error, "its connections are unknown");
            Ok(Vec::new())
        }
        Err(source) => Err(ExtractError::Process {
            driver: driver.to_owned(),
            source,
        }),
    }
}
