//! The target and options of a client.

use std::{path::PathBuf, sync::Arc, time::Duration};

use standin_record::DriverTape;

use super::{Client, ConnectionSlot, Inner, Settings, Target};
use crate::{address::Address, options::SocketOptions};

/// Describes a [`Client`]: what it connects to and how.
#[derive(Clone, Debug)]
#[must_use = "a client exists once `build` was called"]
pub struct ClientBuilder {
    pub(super) settings: Settings,
}

impl ClientBuilder {
    pub(super) fn new() -> ClientBuilder {
        ClientBuilder {
            settings: Settings {
                label: None,
                target: Target {
                    host: "localhost".to_owned(),
                    port: 0,
                    unix: None,
                },
                interface: None,
                connect_timeout: None,
                retry: false,
                options: SocketOptions::default(),
                driver: None,
            },
        }
    }

    /// Sets the name that errors show, such as the name of the driver that the client belongs to.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.settings.label = Some(label.into());
        self
    }

    /// Sets the host to connect to: a name or an IP address, IPv4 or IPv6. Default: `localhost`.
    ///
    /// Every connect looks a name up, and tries all of its addresses, IPv4 before IPv6. The lookup
    /// takes as long as the system's resolver: timeouts begin after it. `unix:` and a path is the
    /// same as [`unix`](ClientBuilder::unix), in the form in which the [`Address`](crate::Address)
    /// of a Unix socket is displayed.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        let target = &mut self.settings.target;
        target.host = host.into();
        target.unix = Address::from_unix_name(&target.host);
        self
    }

    /// Sets the port to connect to.
    pub fn port(mut self, port: u16) -> Self {
        self.settings.target.port = port;
        self
    }

    /// Connects to the Unix socket at `path`, instead of a host and port.
    pub fn unix(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.target.unix = Some(path.into());
        self
    }

    /// Sets the local host and port to connect from; port 0 is any port. Default: the system
    /// chooses.
    ///
    /// From one port there is only one connection to the same peer. After this side has closed one,
    /// the system keeps it in `TIME_WAIT` for a while (on Linux a second within one machine,
    /// otherwise a minute): a connect from a fixed port tries again until it can, or its deadline.
    pub fn interface(mut self, host: impl Into<String>, port: u16) -> Self {
        self.settings.interface = Some((host.into(), port));
        self
    }

    /// Sets how long to try each address of the host. Default: the time of the whole connect,
    /// shared by the addresses.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.settings.connect_timeout = Some(timeout);
        self
    }

    /// Sets whether a connect that fails tries again until its deadline, because the peer may not
    /// be there yet: it refuses, resets or does not answer. Default: false.
    pub fn retry_until_deadline(mut self, retry: bool) -> Self {
        self.settings.retry = retry;
        self
    }

    crate::options::setters!(settings.options);

    /// Records the traffic of the client's connections, with the lines of the test that caused it:
    /// among the records of `driver`, where each connection has its number. Default: nothing is
    /// recorded. [`ServerBuilder::record`](crate::ServerBuilder::record) has an example.
    pub fn record(mut self, driver: DriverTape) -> Self {
        self.settings.driver = Some(driver);
        self
    }

    /// Creates the client, which is not connected yet.
    pub fn build(self) -> Client {
        Client {
            inner: Arc::new(Inner {
                settings: self.settings,
                slot: ConnectionSlot::new(),
            }),
        }
    }
}
