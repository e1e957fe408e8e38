use standin_config::{Config, Port, Setting, context};
use standin_driver::DriverConfig;

use crate::{Interface, TcpClient, TcpServer};

/// A server that accepts TCP connections for the test to talk over.
///
/// These are the options of a [`TcpServer`].
#[derive(Clone, Debug, Config)]
#[config(type_name = "tcp-server", builds = TcpServer)]
pub struct TcpServerConfig {
    /// The options that every driver has.
    #[config(include)]
    pub driver: DriverConfig,

    /// Host name or address to listen on.
    #[config(default = "localhost")]
    pub host: Setting<String>,

    /// Port to listen on: a number, a numeric text or the name of a service.
    /// With 0 the system chooses a free one.
    #[config(default = 0)]
    pub port: Setting<Port>,
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

    /// Host name or address of the server.
    pub host: Setting<String>,

    /// Port of the server: a number, a numeric text or the name of a service.
    pub port: Setting<Port>,

    /// Address, and if need be port, of this machine to connect from. By
    /// default the system chooses.
    pub interface: Option<Interface>,

    /// Whether to connect when the driver starts, rather than when the test
    /// calls `connect`.
    #[config(default = true)]
    pub connect_at_start: bool,

    /// Whether a connect that is refused is tried again until the driver's
    /// `timeout` is over: for a server that nobody here starts, or that takes
    /// its time. By default one refusal is enough.
    #[config(default = false)]
    pub retry_connect: bool,
}

impl TcpClientOptions {
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
