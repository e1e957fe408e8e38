//! What a server is told before it binds.

use std::{
    collections::{HashSet, VecDeque},
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicU8},
    },
    time::Duration,
};

use super::{Inner, Registry, Server, relief, state};
use crate::{
    address::{self, Address},
    connection::Connection,
    error::{Attempt, BindError, Party, Role},
    lane::Lane,
    options::SocketOptions,
    sys::{self, Listener},
};

/// Describes a [`Server`]: what it listens on and how.
#[derive(Debug)]
#[must_use = "a server exists once `bind` was called"]
pub struct ServerBuilder {
    label: Option<Arc<str>>,
    place: Place,
    port: u16,
    backlog: Option<i32>,
    reuse_address: bool,
    options: SocketOptions,
    receive_limit: usize,
}

#[derive(Debug)]
enum Place {
    Host(String),
    Unix(PathBuf),
    Listener(TcpListener),
}

impl ServerBuilder {
    /// As long a queue as Linux allows unless it is configured otherwise.
    const DEFAULT_BACKLOG: i32 = 4096;

    pub(super) fn new() -> ServerBuilder {
        ServerBuilder {
            label: None,
            place: Place::Host("localhost".to_owned()),
            port: 0,
            backlog: None,
            reuse_address: true,
            options: SocketOptions::default(),
            receive_limit: Connection::DEFAULT_RECEIVE_LIMIT,
        }
    }

    /// A name for errors to show, such as the name of the driver that the server belongs to.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The host to listen on: a name or an IP address, IPv4 or IPv6, of this machine. Default: `localhost`.
    ///
    /// The first address of the host that can be bound is used, IPv4 before IPv6.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.place = Place::Host(host.into());
        self
    }

    /// The port to listen on. Default: 0, for which the system chooses a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Listens on a Unix socket at `path`, which must not exist, instead of a host and port. The file is removed when
    /// the server closes.
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::Unix(path.into());
        self
    }

    /// Takes over a listener of the standard library, instead of binding. It becomes non-blocking.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.place = Place::Listener(listener);
        self
    }

    /// How many peers may wait to be accepted before the system leaves others without an answer; it may lower the
    /// number, and Linux adds one. Default: as many as come from this process, and 4096 others.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = Some(i32::try_from(backlog).unwrap_or(i32::MAX));
        self
    }

    /// Whether a port can be bound that an earlier server left just now (`SO_REUSEADDR`). Default: true.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether small pieces are sent at once rather than collected (`TCP_NODELAY`). Default: true.
    pub fn nodelay(mut self, nodelay: bool) -> Self {
        self.options.nodelay = nodelay;
        self
    }

    /// The size of the system's send buffer of each connection, in bytes. Default: the system's.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.options.send_buffer = Some(bytes);
        self
    }

    /// The size of the system's receive buffer of each connection, in bytes. Default: the system's.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.options.receive_buffer = Some(bytes);
        self
    }

    /// After how much silence the system asks whether the peer is still there (`SO_KEEPALIVE`). Default: never.
    pub fn keepalive(mut self, idle: Duration) -> Self {
        self.options.keepalive = Some(idle);
        self
    }

    /// The limit of [`Connection::set_receive_limit`] for each connection, in bytes. Default: 64 MiB.
    pub fn receive_limit(mut self, bytes: usize) -> Self {
        self.receive_limit = bytes;
        self
    }

    /// Binds and listens. From here on peers can connect.
    ///
    /// # Errors
    /// [`BindError`], which lists every address that was tried.
    pub fn bind(self) -> Result<Server, BindError> {
        let ServerBuilder {
            label,
            place,
            port,
            backlog,
            reuse_address,
            options,
            receive_limit,
        } = self;
        let party = |local| {
            Box::new(Party {
                role: Role::Server,
                label: label.clone(),
                index: None,
                local,
                peer: None,
            })
        };
        let (host, candidates, adopted) = match place {
            Place::Host(host) => match address::resolve(&host, port) {
                Ok(addresses) => (
                    host,
                    addresses.into_iter().map(Address::Tcp).collect(),
                    None,
                ),
                Err(source) => {
                    return Err(BindError::Resolve {
                        party: party(None),
                        host,
                        source,
                    });
                }
            },
            Place::Unix(path) => (path.display().to_string(), vec![Address::Unix(path)], None),
            Place::Listener(listener) => {
                let address = listener
                    .local_addr()
                    .unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
                (
                    address.ip().to_string(),
                    vec![Address::Tcp(address)],
                    Some(listener),
                )
            }
        };
        let target = match candidates.as_slice() {
            [Address::Unix(_)] => host.clone(),
            [Address::Tcp(address)] => address.to_string(),
            _ => format!("{host}:{port}"),
        };
        let listening = match adopted {
            Some(listener) => adopt(listener, &options).map_err(|error| {
                candidates
                    .iter()
                    .take(1)
                    .map(|address| Attempt {
                        address: address.clone(),
                        error: clone(&error),
                    })
                    .collect()
            }),
            None => first(&candidates, |address| {
                listen(
                    address,
                    backlog.unwrap_or(Self::DEFAULT_BACKLOG),
                    reuse_address,
                    &options,
                )
            }),
        };
        let (listener, address) = match listening {
            Ok(listening) => listening,
            Err(attempts) => return Err(bind_error(party(None), target, attempts)),
        };
        let server = Server {
            inner: Arc::new(Inner {
                label,
                host,
                address,
                listener: RwLock::new(Some(listener)),
                away: AtomicBool::new(false),
                changing: Mutex::new(()),
                backlog: backlog.unwrap_or(Self::DEFAULT_BACKLOG),
                queue_is_short: AtomicBool::new(backlog.is_some()),
                fillers: Mutex::new(HashSet::new()),
                options,
                receive_limit,
                state: AtomicU8::new(state::OPEN),
                accepting: Lane::new(VecDeque::new()),
                registry: Arc::new(Registry::default()),
            }),
        };
        relief::remember(Arc::downgrade(&server.inner));
        Ok(server)
    }
}

fn first(
    candidates: &[Address],
    mut listen: impl FnMut(&Address) -> io::Result<(Listener, Address)>,
) -> Result<(Listener, Address), Vec<Attempt>> {
    let mut attempts = Vec::new();
    for address in candidates {
        match listen(address) {
            Ok(listening) => return Ok(listening),
            Err(error) => attempts.push(Attempt {
                address: address.clone(),
                error,
            }),
        }
    }
    Err(attempts)
}

fn listen(
    address: &Address,
    backlog: i32,
    reuse: bool,
    options: &SocketOptions,
) -> io::Result<(Listener, Address)> {
    let socket = sys::bound(address, reuse)?;
    options.apply(&(&socket).into(), address)?;
    socket.listen(backlog)?;
    let listener = Listener::from_socket(socket, address)?;
    let address = listener.local_address()?;
    Ok((listener, address))
}

fn adopt(listener: TcpListener, options: &SocketOptions) -> io::Result<(Listener, Address)> {
    let listener = Listener::from_tcp(listener)?;
    let address = listener.local_address()?;
    options.apply(&listener.options(), &address)?;
    Ok((listener, address))
}

/// A copy of an error, for a list of attempts.
fn clone(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

fn bind_error(party: Box<Party>, target: String, attempts: Vec<Attempt>) -> BindError {
    if attempts
        .iter()
        .any(|attempt| attempt.error.kind() == io::ErrorKind::AddrInUse)
    {
        BindError::InUse {
            party,
            target,
            attempts,
        }
    } else {
        BindError::Io {
            party,
            target,
            attempts,
        }
    }
}
