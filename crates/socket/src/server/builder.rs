//! The address and options of a server.

use std::{
    collections::VecDeque,
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc, Mutex, RwLock,
        atomic::{AtomicBool, AtomicUsize},
    },
};

use standin_record::DriverTape;

use super::{
    Inner, Registry, Server,
    bind::{self, How, Place},
    drain,
};
use crate::{
    address::Address,
    error::BindError,
    operation::Kept,
    options::{BindOptions, SocketOptions},
    state::SharedEnd,
    sys::SocketFile,
    turn_lock::TurnLock,
};

/// Describes a [`Server`]: what it listens on and how.
#[derive(Debug)]
#[must_use = "a server exists once `bind` was called"]
pub struct ServerBuilder {
    label: Option<Arc<str>>,
    place: Place,
    port: u16,
    backlog: Option<i32>,
    binding: BindOptions,
    options: SocketOptions,
    driver: Option<DriverTape>,
}

/// As long a queue as Linux allows unless it is configured otherwise.
pub(super) const DEFAULT_BACKLOG: i32 = 4096;

impl ServerBuilder {
    pub(super) fn new() -> ServerBuilder {
        ServerBuilder {
            label: None,
            place: Place::Host("localhost".to_owned()),
            port: 0,
            backlog: None,
            binding: BindOptions::default(),
            options: SocketOptions::default(),
            driver: None,
        }
    }

    /// Sets the name that errors show, such as the name of the driver that the server belongs to.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets the host to listen on: a name or an IP address, IPv4 or IPv6, of this machine. Default:
    /// `localhost`.
    ///
    /// Of a name's addresses, the first that this machine has is used, IPv4 before IPv6. `unix:`
    /// and a path is what [`unix`](ServerBuilder::unix) takes, spelled as a Unix socket's
    /// [`Address`] is shown.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        let host = host.into();
        self.place = match Address::from_unix_name(&host) {
            Some(path) => Place::Unix(path),
            None => Place::Host(host),
        };
        self
    }

    /// Sets the port to listen on. Default: 0, for which the system chooses a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Listens on a Unix socket at `path`, which must not exist, instead of a host and port. The
    /// file is removed when the server closes, unless another one has taken its place. On Linux a
    /// `path` that begins with a zero byte is an abstract name, which needs no file.
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::Unix(path.into());
        self
    }

    /// Takes over a listener of the standard library, instead of binding. It becomes non-blocking.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.place = Place::Listener(listener);
        self
    }

    /// Sets how many peers may wait to be accepted before the system no longer answers others; it
    /// may lower the number, and Linux adds one. Default: as many as come from this process, and
    /// 4096 others.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = Some(i32::try_from(backlog).unwrap_or(i32::MAX));
        self
    }

    /// Sets whether a port can be bound that an earlier server has just left (`SO_REUSEADDR`).
    /// Default: true.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.binding.reuse_address = reuse;
        self
    }

    /// Sets whether `::`, which stands for every address of this machine, takes IPv6 only, rather
    /// than IPv4 too (`IPV6_V6ONLY`). No other address of IPv6 takes IPv4. Default: the system's,
    /// which on Linux is to take both.
    pub fn only_ipv6(mut self, only_ipv6: bool) -> Self {
        self.binding.only_ipv6 = Some(only_ipv6);
        self
    }

    crate::options::setters!(options);

    /// Records the traffic of the server's connections, with the lines of the test that caused it:
    /// among the records of `driver`, where each connection has its number. Default: nothing is
    /// recorded.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use standin_record::Recorder;
    /// use standin_socket::{Client, Server};
    ///
    /// # let limit = Duration::from_secs(10);
    /// let recorder = Recorder::new("greeting");
    /// let server = Server::builder().record(recorder.driver("server")).bind()?;
    /// let peer = Client::builder().port(server.port()).build().connect(limit)?;
    /// server.accept(limit)?.send(b"hello", limit)?;
    ///
    /// let transcript = recorder.transcript();
    /// assert_eq!(transcript.conversations[0].sent().0, b"hello");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record(mut self, driver: DriverTape) -> Self {
        self.driver = Some(driver);
        self
    }

    /// Binds and listens. From here on peers can connect.
    ///
    /// If the host is a name with several addresses, such as `localhost`, the port is this server's
    /// on all of them: it listens on the first that the machine has, and blocks the others, so that
    /// clients of the name reach this server or none.
    ///
    /// # Errors
    ///
    /// Returns [`BindError`], which lists every address that was tried. A port that is taken on one
    /// address is an error, even where another is free.
    pub fn bind(self) -> Result<Server, BindError> {
        let backlog = self.backlog.unwrap_or(DEFAULT_BACKLOG);
        let how = How {
            backlog,
            binding: self.binding,
            options: Some(&self.options),
        };
        let bound = bind::bind(self.place, self.port, how, self.label.as_ref())?;
        let server = Server {
            inner: Arc::new(Inner {
                label: self.label,
                host: bound.host,
                file: Mutex::new(bound.address.path().and_then(SocketFile::at)),
                address: bound.address,
                listener: RwLock::new(Some(bound.listener)),
                reserved: Mutex::new(bound.reserved),
                away: AtomicBool::new(false),
                changing: Mutex::new(()),
                backlog,
                binding: self.binding,
                full: AtomicUsize::new(0),
                fillers: Mutex::default(),
                options: self.options,
                driver: self.driver,
                end: SharedEnd::new(),
                accepting: TurnLock::new(VecDeque::new()),
                waker: Mutex::new(None),
                changes: AtomicUsize::new(0),
                kept: Kept::default(),
                registry: Arc::new(Registry::default()),
            }),
        };
        // Who gave the queue a length may want to see it full.
        if self.backlog.is_none() {
            drain::remember(Arc::downgrade(&server.inner));
        }
        Ok(server)
    }
}
