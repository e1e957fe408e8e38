//! Statements about a graph that a test makes.

use std::collections::HashSet;

use indexmap::IndexMap;
use miette::Diagnostic;

use super::{ConnectionGraph, Edge};
use crate::{ConnectionInfo, Ends};

/// That a client is connected to a server, and how.
///
/// Given by [`ConnectionGraph::connected`].
#[derive(Clone, Debug)]
pub struct Connected<'g> {
    graph: &'g ConnectionGraph,
    server: String,
    edges: Vec<Edge>,
}

/// Why a statement about a graph does not hold.
///
/// Each variant shows the graph.
#[derive(thiserror::Error, Diagnostic)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no such driver.
    #[error("the connection graph has no driver \"{name}\"")]
    #[diagnostic(
        code(standin::connection::unknown_driver),
        help("{}the graph:\n{graph}", did_you_mean(nearest.as_deref()))
    )]
    UnknownDriver {
        /// The requested name.
        name: String,
        /// The driver of the graph whose name is most like it, if one is.
        nearest: Option<String>,
        /// The graph as text.
        graph: String,
    },
    /// The client is not connected to the server.
    #[error("{client} is not connected to {server}{}", because(reason))]
    #[diagnostic(
        code(standin::connection::not_connected),
        help("{reported}\nthe graph:\n{graph}")
    )]
    NotConnected {
        /// The driver that should have connected.
        client: String,
        /// The driver that should have been connected to.
        server: String,
        /// Possible reasons, perhaps none.
        reason: String,
        /// What both drivers report about themselves.
        reported: String,
        /// The graph as text.
        graph: String,
    },
    /// The two drivers are connected, and should not be.
    #[error("{client} is connected to {server}, by {}", edges.join(", "))]
    #[diagnostic(code(standin::connection::connected), help("the graph:\n{graph}"))]
    IsConnected {
        /// The connecting driver.
        client: String,
        /// The listening driver.
        server: String,
        /// The connections.
        edges: Vec<String>,
        /// The graph as text.
        graph: String,
    },
    /// Another driver is connected to the server as well.
    #[error("{server} has peers other than {}: {}", list(clients), list(others))]
    #[diagnostic(code(standin::connection::somebody_else), help("the graph:\n{graph}"))]
    SomebodyElse {
        /// The driver that is connected to.
        server: String,
        /// The drivers that may be connected to it.
        clients: Vec<String>,
        /// The other drivers, and the addresses that belong to no driver.
        others: Vec<String>,
        /// The graph as text.
        graph: String,
    },
}

standin_error::reportable!(VerifyError);

impl ConnectionGraph {
    /// Verifies that `client` is connected to `server`.
    ///
    /// ```
    /// use standin_connection::{ConnectionGraph, ConnectionInfo};
    ///
    /// let mut graph = ConnectionGraph::new(["client", "server"]);
    /// graph.add("server", ConnectionInfo::tcp_listening(80, "127.0.0.1"));
    /// let error = graph.connected("client", "server").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "client is not connected to server: client reports no connections"
    /// );
    ///
    /// graph.add("client", ConnectionInfo::tcp_connecting(80, "127.0.0.1", 5000));
    /// graph.connected("client", "server")?.and_nobody_else()?;
    /// # Ok::<(), standin_connection::VerifyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if it is not, or if one of them is not a driver of the graph.
    pub fn connected(&self, client: &str, server: &str) -> Result<Connected<'_>, VerifyError> {
        self.has(client)?;
        self.has(server)?;
        let edges = self.between(client, server);
        if edges.is_empty() {
            return Err(VerifyError::NotConnected {
                client: client.to_owned(),
                server: server.to_owned(),
                reason: self.reason(client, server),
                reported: [self.reports_of(client), self.reports_of(server)].join("\n"),
                graph: self.to_string(),
            });
        }
        Ok(Connected {
            graph: self,
            server: server.to_owned(),
            edges,
        })
    }

    /// Verifies that `client` is not connected to `server`. The other way round
    /// it may be.
    ///
    /// # Errors
    ///
    /// Returns an error if it is, or if one of them is not a driver of the graph.
    pub fn not_connected(&self, client: &str, server: &str) -> Result<(), VerifyError> {
        self.has(client)?;
        self.has(server)?;
        let edges = self.between(client, server);
        if edges.is_empty() {
            return Ok(());
        }
        Err(VerifyError::IsConnected {
            client: client.to_owned(),
            server: server.to_owned(),
            edges: edges.iter().map(|e| e.connection_rep.clone()).collect(),
            graph: self.to_string(),
        })
    }

    /// Verifies that each of `clients`, and no other driver, is connected to `server`, and that it
    /// has no connection from elsewhere, as far as the server reported its connections.
    ///
    /// # Errors
    ///
    /// Returns an error if one is missing, if another one is connected, or if one of them is not a
    /// driver of the graph.
    pub fn connected_only<'a>(
        &self,
        clients: impl IntoIterator<Item = &'a str>,
        server: &str,
    ) -> Result<(), VerifyError> {
        self.has(server)?;
        let clients: Vec<&str> = clients.into_iter().collect();
        for client in &clients {
            self.connected(client, server)?;
        }
        let expected: HashSet<&str> = clients.iter().copied().collect();
        let sources = self.conclusions().by_target.get(server);
        let mut others: Vec<String> = sources
            .into_iter()
            .flat_map(IndexMap::keys)
            .filter(|source| !expected.contains(source.as_str()))
            .cloned()
            .collect();
        let strangers = self.strangers(server);
        others.extend(strangers.iter().map(|ends: &Ends| ends.peer().to_string()));
        if others.is_empty() {
            return Ok(());
        }
        Err(VerifyError::SomebodyElse {
            server: server.to_owned(),
            clients: clients.into_iter().map(str::to_owned).collect(),
            others,
            graph: self.to_string(),
        })
    }

    /// Asserts that `client` is connected to `server`; the panic shows the
    /// graph. [`connected`](Self::connected) is the same without a panic.
    ///
    /// # Panics
    ///
    /// When it is not, or when one of them is not a driver of the graph.
    #[track_caller]
    pub fn assert_connected(&self, client: &str, server: &str) {
        if let Err(error) = self.connected(client, server) {
            fail(&error);
        }
    }

    /// Asserts that exactly `clients` are connected to `server`; the panic shows the graph.
    ///
    /// # Panics
    ///
    /// When [`connected_only`](Self::connected_only) is an error.
    #[track_caller]
    pub fn assert_connected_only<'a>(
        &self,
        clients: impl IntoIterator<Item = &'a str>,
        server: &str,
    ) {
        if let Err(error) = self.connected_only(clients, server) {
            fail(&error);
        }
    }

    fn between(&self, client: &str, server: &str) -> Vec<Edge> {
        let conclusions = self.conclusions();
        let sources = conclusions.by_target.get(server);
        let places = sources.and_then(|sources| sources.get(client));
        places
            .into_iter()
            .flatten()
            .map(|place| conclusions.edges[*place].clone())
            .collect()
    }

    fn has(&self, name: &str) -> Result<(), VerifyError> {
        let reported = &self.conclusions().reported;
        if self.drivers.contains(name) || reported.contains_key(name) {
            return Ok(());
        }
        let known = self.drivers.iter().chain(reported.keys());
        Err(VerifyError::UnknownDriver {
            name: name.to_owned(),
            nearest: nearest(name, known).cloned(),
            graph: self.to_string(),
        })
    }

    fn reason(&self, client: &str, server: &str) -> String {
        if !self.between(server, client).is_empty() {
            return format!("the connection goes the other way, {server} connects to {client}");
        }
        for (driver, closed) in [
            (client, "has no connection now"),
            (server, "does not listen now"),
        ] {
            if self.reported_by(driver).next().is_none() {
                return format!("{driver} reports no connections");
            }
            if self.reported_by(driver).all(ConnectionInfo::is_closed) {
                return format!("{driver} {closed}");
            }
        }
        let went = self.reported_by(client).flat_map(ConnectionInfo::ends);
        let went: Vec<String> = went.map(|ends| ends.peer().to_string()).collect();
        let bound = self.reported_by(server).filter_map(ConnectionInfo::bound);
        let bound: Vec<String> = bound.map(|address| address.to_string()).collect();
        if went.is_empty() || bound.is_empty() || went.iter().all(|to| bound.contains(to)) {
            return String::new();
        }
        format!(
            "{client} is connected to {}, and {server} listens at {}",
            went.join(", "),
            bound.join(", ")
        )
    }

    /// A line for each end of a driver and each of its connections.
    fn reports_of(&self, driver: &str) -> String {
        let mut lines = Vec::new();
        for info in self.reported_by(driver) {
            lines.push(format!("{driver} reports {info}"));
            for ends in info.ends() {
                lines.push(format!("    {ends}"));
            }
        }
        if lines.is_empty() {
            lines.push(format!("{driver} reports nothing"));
        }
        lines.join("\n")
    }
}

impl Connected<'_> {
    /// Returns the connections between the two, at least one.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Verifies that no other driver is connected to the server, and that it has no connection from
    /// elsewhere, as far as the server reported its connections.
    ///
    /// # Errors
    ///
    /// Returns an error if another one is connected.
    pub fn and_nobody_else(self) -> Result<Self, VerifyError> {
        let client = self.edges.first().map(Edge::source);
        self.graph.connected_only(client, &self.server)?;
        Ok(self)
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "an assertion of a test panics")]
fn fail(error: &VerifyError) -> ! {
    let help = error.help().map(|help| help.to_string());
    panic!("{error}\n{}", help.unwrap_or_default())
}

/// The one of `known` that was probably meant by `name`.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let distance = |known: &str| strsim::damerau_levenshtein(name, known);
    let near = known.map(|known| (distance(known), known));
    let (distance, nearest) = near.min()?;
    (distance <= (name.chars().count() / 3).max(1)).then_some(nearest)
}

fn did_you_mean(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean \"{nearest}\"? "),
        None => String::new(),
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(", ")
    }
}
