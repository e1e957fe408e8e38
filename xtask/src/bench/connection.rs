//! What it costs to ask who is connected to whom.

use standin::{Driver, Lifecycle, TcpClient, TcpServer};
use standin_connection::ConnectionGraph;

use super::{
    Figure, Outcome,
    measure::{in_turn, micros_each},
};

/// How many clients there are.
const CLIENTS: usize = 1000;

/// Looking at a server with a thousand clients and asserting of each that it is connected to it.
pub(crate) fn assertions() -> Outcome<Figure> {
    let server = TcpServer::builder("server").build()?;
    server.start()?;
    let port = server.port().ok_or("a server that runs has a port")?;
    let mut clients = Vec::with_capacity(CLIENTS);
    for number in 0..CLIENTS {
        let client = TcpClient::builder(format!("client-{number}"))
            .host("localhost")
            .port(port)
            .build()?;
        client.start()?;
        server.accept_connection(std::time::Duration::from_secs(60))?;
        clients.push((format!("client-{number}"), client));
    }
    let mut ask = || {
        micros_each(1000, || {
            let mut graph = ConnectionGraph::new(clients.iter().map(|(name, _)| name));
            graph.extend(
                server
                    .connections()
                    .into_iter()
                    .map(|info| ("server", info)),
            );
            for (name, client) in &clients {
                graph.extend(client.connections().into_iter().map(|info| (name, info)));
            }
            for (name, _) in &clients {
                graph.connected(name, "server")?;
            }
            graph.connected_only(clients.iter().map(|(name, _)| name.as_str()), "server")?;
            Ok(())
        })
    };
    let [micros] = in_turn(20, [&mut ask])?;
    // A thousandth of the whole in microseconds is the whole in milliseconds.
    Ok(Figure::alone("connected_1000", micros, "ms"))
}
