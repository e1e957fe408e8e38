use std::path::Path;
use std::time::Duration;

use standin_config::{Config, Port, Setting, context};
use standin_driver::DriverConfig;

use crate::{Encoding, Interface, RepliesConfig, TcpClient, TcpServer};

/// The options that both TCP drivers have: of what goes over their connections, and of the
/// sockets below.
#[derive(Clone, Debug, Config)]
pub struct TcpConfig {
    /// How long each send and each receive may take, unless a handle has its own limit
    /// (`with_timeout`). With 0 a receive takes the bytes that have already arrived, and does not
    /// wait.
    #[config(default = Duration::from_secs(30))]
    pub io_timeout: Duration,

    /// Encoding of text that is sent and received, unless a handle has one of its own
    /// (`with_encoding`): a label of the WHATWG Encoding Standard, such as `latin-1`.
    #[config(default = Encoding::UTF_8)]
    pub encoding: Encoding,

    /// The most bytes that one receive collects when the peer decides how many come: up to a
    /// delimiter or a match, a frame, to the end, until silence. Default: 64 MiB.
    #[config(default = 67108864, range = 1..)]
    pub receive_limit: usize,

    /// Whether small pieces are sent at once rather than collected (`TCP_NODELAY`).
    #[config(default = true)]
    pub nodelay: bool,

    /// Size of the system's send buffer of each connection, in bytes. Default: the system's.
    #[config(range = 1..=2147483647)]
    pub send_buffer: Option<usize>,

    /// Size of the system's receive buffer of each connection, in bytes. Default: the system's.
    #[config(range = 1..=2147483647)]
    pub receive_buffer: Option<usize>,

    /// After how much silence the system asks whether the peer is still there (`SO_KEEPALIVE`).
    /// Default: never.
    pub keepalive: Option<Duration>,

    /// How the driver speaks TLS: a table, `{}` for the usual way, in code a
    /// [`Tls`](crate::Tls). A server publishes `ca_file`, the certificate of the authority
    /// that a program under test has to trust. Default: it does not. Only with the feature `tls`.
    #[cfg(feature = "tls")]
    #[config(
        accepts(crate::Tls),
        with = crate::TlsOptions::from,
        check = crate::tls::TlsOptions::check
    )]
    pub tls: Option<crate::TlsOptions>,
}

impl TcpConfig {
    /// Whether TLS begins with the first byte.
    pub(crate) fn speaks_tls_at_once(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.as_ref().is_some_and(|tls| !tls.on_request);
        #[cfg(not(feature = "tls"))]
        false
    }
}

/// A server that accepts TCP connections for the test to talk over.
///
/// These are the options of a [`TcpServer`].
#[derive(Clone, Debug, Config)]
#[config(type_name = "tcp-server", builds = TcpServer)]
pub struct TcpServerConfig {
    /// The options that every driver has.
    #[config(include)]
    pub driver: DriverConfig,

    /// The options that both TCP drivers have.
    #[config(include)]
    pub tcp: TcpConfig,

    /// The options of a peer that answers by itself.
    #[config(include)]
    pub replies: RepliesConfig,

    /// Host name or address to listen on, or `unix:` and the path of a Unix socket
    /// (`unix:/run/peer.sock`; on Linux also `unix:@name`), which has no port: 0 is published.
    #[config(default = "localhost", check = standin_config::no_template)]
    pub host: Setting<String>,

    /// Port to listen on: a number, a numeric text or the name of a service.
    /// With 0 the system chooses a free one.
    #[config(default = 0)]
    pub port: Setting<Port>,

    /// How many peers may wait to be accepted before the system leaves others without an
    /// answer; it may lower the number, and Linux adds one. Default: as many as come from this
    /// process, and 4096 others.
    pub backlog: Option<u32>,

    /// Whether a port can be bound that an earlier server left just now (`SO_REUSEADDR`).
    #[config(default = true)]
    pub reuse_address: bool,

    /// Whether the host `::`, which stands for every address of this machine, takes IPv6 only
    /// (`IPV6_V6ONLY`), or with `false` IPv4, too. Default: the system's, which on Linux is to
    /// take both.
    pub only_ipv6: Option<bool>,
}

/// A client that connects to a TCP server for the test to talk with it.
///
/// These are the options of a [`TcpClient`].
#[derive(Clone, Debug, Config)]
#[config(type_name = "tcp-client", builds = TcpClient)]
pub struct TcpClientConfig {
    /// The options that every driver has.
    #[config(include)]
    pub driver: DriverConfig,

    /// The options that both TCP drivers have.
    #[config(include)]
    pub tcp: TcpConfig,

    /// The options of a peer that answers by itself.
    #[config(include)]
    pub replies: RepliesConfig,

    /// Host name or address of the server, or `unix:` and the path of a Unix socket.
    #[config(check = standin_config::no_template)]
    pub host: Setting<String>,

    /// Port of the server: a number, a numeric text or the name of a service. With a Unix
    /// socket: 0.
    pub port: Setting<Port>,

    /// Address, and if need be port, of this machine to connect from. By
    /// default the system chooses.
    pub interface: Option<Interface>,

    /// Whether to connect when the driver starts, rather than when the test
    /// calls `connect`.
    #[config(default = true)]
    pub connect_at_start: bool,

    /// Whether a refused connect is retried until the driver's `start_limit` (by default its
    /// `timeout`): for a server that is not started by this environment, or that starts slowly. By
    /// default the first refusal is an error.
    #[config(default = false)]
    pub retry_connect: bool,
}

impl TcpServerBuilder {
    /// Listens on a Unix socket at `path`, which must not exist: sets `host` to `unix:` and the
    /// path. The file is removed when the server stops.
    ///
    /// ```
    /// use standin_tcp::{TcpClient, TcpServer};
    ///
    /// let server = TcpServer::builder("server").unix("/run/peer.sock").build()?;
    /// let client = TcpClient::builder("client").connect_to("server").build()?;
    /// # Ok::<(), standin_entity::Error>(())
    /// ```
    pub fn unix(self, path: impl AsRef<Path>) -> Self {
        self.host(format!("unix:{}", path.as_ref().display()))
    }
}

impl TcpClientBuilder {
    /// Connects to the Unix socket at `path`: sets `host` to `unix:` and the path, and `port` to
    /// 0.
    pub fn unix(self, path: impl AsRef<Path>) -> Self {
        self.host(format!("unix:{}", path.as_ref().display()))
            .port(0)
    }

    /// Connects to the driver of that name, such as a
    /// [`TcpServer`] of the same environment: sets `host` and `port` to the values
    /// that it publishes under these names.
    ///
    /// ```
    /// use standin_tcp::TcpClient;
    ///
    /// let client = TcpClient::builder("client").connect_to("server").build()?;
    /// # Ok::<(), standin_entity::Error>(())
    /// ```
    pub fn connect_to(self, server: impl Into<String>) -> Self {
        let server = server.into();
        self.host(context(&server, "{{ host }}"))
            .port(context(server, "{{ port }}"))
    }
}

/// A builder of a server or a client with the options that both have.
macro_rules! with_options {
    ($builder:expr, $options:expr) => {{
        let options: &crate::TcpConfig = &$options;
        let mut builder = $builder
            .nodelay(options.nodelay)
            .receive_limit(options.receive_limit);
        if let Some(bytes) = options.send_buffer {
            builder = builder.send_buffer(bytes);
        }
        if let Some(bytes) = options.receive_buffer {
            builder = builder.receive_buffer(bytes);
        }
        if let Some(idle) = options.keepalive {
            builder = builder.keepalive(idle);
        }
        builder
    }};
}

pub(crate) use with_options;
