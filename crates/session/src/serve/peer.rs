//! [`Peer`]: a driver that talks over connections, as a request names it.

use std::sync::Arc;

use serde_json::{Value, json};
use standin::environment::LookupError;
use standin::{Driver as _, Result, TcpClient, TcpConnection, TcpProxy, TcpServer};

use super::call::Call;
use super::error::ServeError;
use super::field::{Field, Kind, optional, required};

pub(super) const DRIVER: Field = required("driver", Kind::Text, "The name of the driver.");
pub(super) const LIMIT: Field = optional(
    "timeout",
    Kind::Limit,
    "How long to wait at most; null for as long as it takes. Default: 10 seconds.",
);
pub(super) const CONNECTION_RESULT: Field =
    required("connection", Kind::Connection, "The connection.");

/// A driver that talks.
pub(super) enum Peer {
    Server(Arc<TcpServer>),
    Client(Arc<TcpClient>),
}

/// The driver that a request names.
pub(super) fn peer(call: &Call<'_>) -> Result<Peer> {
    let view = call.client.stage.view()?;
    let name = call.required_text("driver");
    match view.get::<TcpServer>(name) {
        Ok(server) => return Ok(Peer::Server(server)),
        Err(LookupError::OtherType { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    match view.get::<TcpClient>(name) {
        Ok(client) => Ok(Peer::Client(client)),
        Err(_) => Err(wrong_driver(call, "TCP servers and clients")),
    }
}

/// The server that a request names.
pub(super) fn server(call: &Call<'_>) -> Result<Arc<TcpServer>> {
    match peer(call)? {
        Peer::Server(server) => Ok(server),
        Peer::Client(_) => Err(wrong_driver(call, "TCP servers")),
    }
}

/// The client that a request names.
pub(super) fn client(call: &Call<'_>) -> Result<Arc<TcpClient>> {
    match peer(call)? {
        Peer::Client(client) => Ok(client),
        Peer::Server(_) => Err(wrong_driver(call, "TCP clients")),
    }
}

/// The proxy that a request names.
pub(super) fn proxy(call: &Call<'_>) -> Result<Arc<TcpProxy>> {
    let view = call.client.stage.view()?;
    match view.get::<TcpProxy>(call.required_text("driver")) {
        Ok(proxy) => Ok(proxy),
        Err(LookupError::OtherType { .. }) => Err(wrong_driver(call, "TCP proxies")),
        Err(error) => Err(error.into()),
    }
}

fn wrong_driver(call: &Call<'_>, wanted: &'static str) -> standin::Error {
    let driver = call.required_text("driver").to_owned();
    let found = call.client.stage.view().ok();
    let found = found.and_then(|view| view.driver(&driver).ok());
    ServeError::WrongDriver {
        kind: found.map_or_else(String::new, |found| found.base().kind().to_owned()),
        driver,
        method: call.method.to_owned(),
        wanted,
    }
    .into()
}

impl Peer {
    /// The connection of that index, or the one that the driver means by itself.
    pub(super) fn connection(&self, index: Option<usize>) -> Result<TcpConnection> {
        match (self, index) {
            (Peer::Server(server), Some(index)) => Ok(server.connection(index)?),
            (Peer::Server(server), None) => Ok(server.latest_connection()?),
            (Peer::Client(client), index) => {
                let connection = client.connection()?;
                match index.filter(|index| *index != connection.index()) {
                    Some(index) => Err(ServeError::OtherConnection {
                        driver: client.base().name().to_owned(),
                        index,
                        current: connection.index(),
                    }
                    .into()),
                    None => Ok(connection),
                }
            }
        }
    }

    /// The default timeout of its sends and receives.
    pub(super) fn io_timeout(&self) -> Result<std::time::Duration> {
        let tcp = match self {
            Peer::Server(server) => server.base().config::<standin::TcpServerConfig>()?.tcp,
            Peer::Client(client) => client.base().config::<standin::TcpClientConfig>()?.tcp,
        };
        Ok(tcp.io_timeout)
    }
}

/// A connection as results have it.
pub(super) fn info(driver: &str, connection: &TcpConnection) -> Value {
    json!({
        "driver": driver,
        "index": connection.index(),
        "local": connection.local_address().to_string(),
        "peer": connection.peer_address().to_string(),
    })
}
