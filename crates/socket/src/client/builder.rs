//! What a client connects to and how.

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{Client, Inner, Seat, Target};
use crate::{connection::Connection, options::SocketOptions};

/// Describes a [`Client`]: what it connects to and how.
#[derive(Clone, Debug)]
#[must_use = "a client exists once `build` was called"]
pub struct ClientBuilder {
    label: Option<Arc<str>>,
    target: Target,
    port: u16,
    interface: Option<(String, u16)>,
    connect_timeout: Option<Duration>,
    retry: bool,
    options: SocketOptions,
    receive_limit: usize,
}

impl ClientBuilder {
    pub(super) fn new() -> ClientBuilder {
        ClientBuilder {
            label: None,
            target: Target::Host {
                host: "localhost".to_owned(),
                port: 0,
            },
            port: 0,
            interface: None,
            connect_timeout: None,
            retry: false,
            options: SocketOptions::default(),
            receive_limit: Connection::DEFAULT_RECEIVE_LIMIT,
        }
    }

    /// A name for errors to show, such as the name of the driver that the client belongs to.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The host to connect to: a name or an IP address, IPv4 or IPv6. Default: `localhost`.
    ///
    /// A name is looked up by every connect, and every address that it stands for is tried, IPv4 before IPv6. The
    /// lookup itself takes as long as the system's resolver takes: timeouts begin after it.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.target = Target::Host {
            host: host.into(),
            port: self.port,
        };
        self
    }

    /// The port to connect to.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        if let Target::Host { port: target, .. } = &mut self.target {
            *target = port;
        }
        self
    }

    /// Connects to the Unix socket at `path`, instead of a host and port.
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.target = Target::Unix(path.into());
        self
    }

    /// The local host and port to connect from; port 0 for any. Default: the system chooses.
    ///
    /// From one port there is only one connection to the same peer. After this side has closed one, the system keeps
    /// it in `TIME_WAIT` for a while (on Linux a second within one machine, otherwise a minute): a connect from a fixed
    /// port tries again until it can, or its deadline.
    pub fn interface(mut self, host: impl Into<String>, port: u16) -> Self {
        self.interface = Some((host.into(), port));
        self
    }

    /// How long to try each address of the host. Default: the time of the whole connect, shared by the addresses.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Whether a connect that fails tries again until its deadline, because the peer may not be there yet: it refuses,
    /// resets or does not answer. Default: false.
    pub fn retry_until_deadline(mut self, retry: bool) -> Self {
        self.retry = retry;
        self
    }

    crate::options::setters!();

    /// The client, not connected yet.
    pub fn build(self) -> Client {
        let ClientBuilder {
            label,
            target,
            port: _,
            interface,
            connect_timeout,
            retry,
            options,
            receive_limit,
        } = self;
        Client {
            inner: Arc::new(Inner {
                label,
                target,
                interface,
                connect_timeout,
                retry,
                options,
                receive_limit,
                seat: Seat::new(),
            }),
        }
    }
}
