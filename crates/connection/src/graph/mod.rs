//! Drivers and the connections between them.

mod dot;
mod join;
mod json;
mod mermaid;
mod text;
mod verify;

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use indexmap::{IndexMap, IndexSet};

use crate::group::add_label;
use crate::{ConnectionGroup, ConnectionInfo, Ends};

pub use join::Evidence;
pub use verify::{Connected, VerifyError};

use join::{Join, Report};

/// The drivers of a test and the connections between them.
///
/// It is a picture of one moment: the ends that drivers reported when they
/// were [added](Self::add). How ends are joined, the first that applies:
///
/// 1. Both carry the addresses of the same established connection.
/// 2. One carries addresses, and they fit the address that the other is bound
///    to, or else its port and host.
/// 3. Neither carries addresses: they have the same
///    [`connection_rep`](ConnectionInfo::connection_rep).
///
/// Only ends of the same protocol are joined, a connecting one with a listening one, and only ends
/// that are not [closed](ConnectionInfo::closed). A [half-closed](Ends::half_closed) connection has
/// to be reported by both. A connection of a driver to itself is left out.
///
/// ```
/// use standin_connection::{ConnectionGraph, ConnectionInfo};
///
/// let mut graph = ConnectionGraph::new(["client", "server"]);
/// graph.add("server", ConnectionInfo::tcp_listening(80, "127.0.0.1"));
/// graph.add("client", ConnectionInfo::tcp_connecting(80, "127.0.0.1", 5000));
///
/// let edges = graph.edges();
/// assert_eq!(edges[0].source(), "client");
/// assert_eq!(edges[0].target(), "server");
/// assert_eq!(graph.to_string(), "client --> server   tcp://80   5000 -> 80\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConnectionGraph {
    drivers: IndexSet<String>,
    reports: Vec<Report>,
    /// Worked out by the first question, for all that follow.
    conclusions: OnceLock<Conclusions>,
}

/// What follows from the reports.
#[derive(Clone, Debug)]
struct Conclusions {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// The places of edges, by target and then by source.
    by_target: HashMap<String, IndexMap<String, Vec<usize>>>,
    /// The accepted connections that belong to no driver, and whose they are.
    strangers: Vec<(String, Ends)>,
    /// The places of a driver's reports.
    reported: HashMap<String, Vec<usize>>,
}

/// A driver in a [`ConnectionGraph`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    name: String,
    connected: bool,
}

/// The connections of one name between two drivers of a [`ConnectionGraph`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    connection_rep: String,
    source: String,
    target: String,
    start_labels: Vec<String>,
    end_labels: Vec<String>,
    evidence: Evidence,
}

impl ConnectionGraph {
    /// Creates a graph of these drivers without connections.
    pub fn new(drivers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut graph = Self::default();
        for driver in drivers {
            graph.add_driver(driver);
        }
        graph
    }

    /// Adds a driver, once.
    pub fn add_driver(&mut self, driver: impl Into<String>) {
        self.drivers.insert(driver.into());
        self.conclusions.take();
    }

    /// Adds one end of a connection that `driver` reports.
    ///
    /// A driver that is not one of the graph's joins it when it turns out to
    /// be connected to another.
    pub fn add(&mut self, driver: impl Into<String>, info: ConnectionInfo) {
        self.reports.push(Report {
            driver: driver.into(),
            info,
        });
        self.conclusions.take();
    }

    /// Returns the drivers, in the order in which they were added; those that only
    /// reported connections last.
    pub fn nodes(&self) -> &[Node] {
        &self.conclusions().nodes
    }

    /// Returns the connections between drivers, in the order in which their listening
    /// ends were added.
    pub fn edges(&self) -> &[Edge] {
        &self.conclusions().edges
    }

    /// Returns the drivers that are connected to no other.
    pub fn unconnected(&self) -> Vec<String> {
        let nodes = self.nodes().iter();
        nodes
            .filter(|node| !node.connected)
            .map(|node| node.name.clone())
            .collect()
    }

    /// Returns the established connections of a listening driver whose other end no
    /// driver of the graph reports.
    pub fn strangers(&self, driver: &str) -> Vec<Ends> {
        let strangers = self.conclusions().strangers.iter();
        let mine = strangers.filter(|(owner, _)| *owner == driver);
        mine.map(|(_, ends)| *ends).collect()
    }

    /// Returns the ends that a driver reported, in the order in which they were added.
    pub fn reported_by(&self, driver: &str) -> impl Iterator<Item = &ConnectionInfo> {
        let places = self.conclusions().reported.get(driver).into_iter();
        places.flatten().map(|place| &self.reports[*place].info)
    }

    /// Returns the ends by the name of their connection, whether complete or not.
    pub fn groups(&self) -> Vec<ConnectionGroup> {
        let mut groups: IndexMap<String, ConnectionGroup> = IndexMap::new();
        for Report { driver, info } in &self.reports {
            groups
                .entry(info.connection_rep())
                .or_insert_with(|| ConnectionGroup::of(info))
                .add(driver, info);
        }
        groups.into_values().collect()
    }

    /// Returns the graph as JSON: `nodes` with `id`, `data` and `style`, `edges` with
    /// `id`, `source`, `target`, `startLabel`, `label` and `endLabel`.
    ///
    /// The graph also implements [`serde::Serialize`], in the same shape.
    pub fn to_json(&self) -> String {
        json::render(self)
    }

    /// Returns the graph as a [Mermaid](https://mermaid.js.org) flowchart.
    pub fn to_mermaid(&self) -> String {
        mermaid::render(self.nodes(), self.edges())
    }

    /// Returns the graph in [Graphviz](https://graphviz.org)'s dot language.
    pub fn to_dot(&self) -> String {
        dot::render(self.nodes(), self.edges())
    }

    fn conclusions(&self) -> &Conclusions {
        self.conclusions.get_or_init(|| {
            let joins = join::joins(&self.reports);
            let strangers = join::unexplained(&self.reports, &joins)
                .into_iter()
                .map(|(driver, ends)| (driver.to_owned(), ends))
                .collect();
            let edges = self.conclude_edges(joins);
            let mut by_target: HashMap<String, IndexMap<String, Vec<usize>>> = HashMap::new();
            for (place, edge) in edges.iter().enumerate() {
                let by_source = by_target.entry(edge.target.clone()).or_default();
                let places = by_source.entry(edge.source.clone()).or_default();
                places.push(place);
            }
            let mut reported: HashMap<String, Vec<usize>> = HashMap::new();
            for (place, report) in self.reports.iter().enumerate() {
                let places = reported.entry(report.driver.clone()).or_default();
                places.push(place);
            }
            Conclusions {
                nodes: self.conclude_nodes(&edges),
                edges,
                by_target,
                strangers,
                reported,
            }
        })
    }

    fn conclude_nodes(&self, edges: &[Edge]) -> Vec<Node> {
        let ends = || edges.iter().flat_map(|edge| [&edge.source, &edge.target]);
        let connected: HashSet<&String> = ends().collect();
        let mut names: IndexSet<&String> = self.drivers.iter().collect();
        names.extend(ends());
        names
            .into_iter()
            .map(|name| Node {
                connected: connected.contains(name),
                name: name.clone(),
            })
            .collect()
    }

    fn conclude_edges(&self, mut joins: Vec<Join>) -> Vec<Edge> {
        joins.retain(|join| self.driver(join.client) != self.driver(join.server));
        joins.sort_by_key(|join| (join.server, join.client));
        let mut edges: Vec<Edge> = Vec::new();
        let mut places = HashMap::new();
        for join in joins {
            let rep = self.name_of(&join);
            let (source, target) = (self.driver(join.client), self.driver(join.server));
            let place = *places
                .entry((rep.clone(), source, target))
                .or_insert(edges.len());
            if place == edges.len() {
                edges.push(Edge {
                    connection_rep: rep,
                    source: source.to_owned(),
                    target: target.to_owned(),
                    start_labels: Vec::new(),
                    end_labels: Vec::new(),
                    evidence: join.evidence,
                });
            }
            let edge = &mut edges[place];
            add_label(&mut edge.start_labels, join.start);
            add_label(&mut edge.end_labels, join.end);
            edge.evidence = edge.evidence.max(join.evidence);
        }
        edges
    }

    fn driver(&self, report: usize) -> &str {
        &self.reports[report].driver
    }

    /// The identifier of the connection, from the listening end if possible.
    fn name_of(&self, join: &Join) -> String {
        let server = &self.reports[join.server].info;
        match server.identifier() {
            Some(_) => server.connection_rep(),
            None => self.reports[join.client].info.connection_rep(),
        }
    }
}

impl<D: Into<String>> Extend<(D, ConnectionInfo)> for ConnectionGraph {
    fn extend<T: IntoIterator<Item = (D, ConnectionInfo)>>(&mut self, infos: T) {
        for (driver, info) in infos {
            self.add(driver, info);
        }
    }
}

impl Node {
    /// Returns the driver's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name for a picture: `TcpServer[server]` on two lines.
    pub fn label(&self) -> String {
        match self.name.split_once('[') {
            Some((kind, rest)) if !kind.is_empty() && rest.ends_with(']') => {
                format!("{kind}\n[{rest}")
            }
            _ => self.name.clone(),
        }
    }

    /// Returns whether the driver is connected to another one.
    pub fn is_connected(&self) -> bool {
        self.connected
    }
}

impl Edge {
    /// Returns the edge's name, such as `tcp://80: client -> server`.
    pub fn id(&self) -> String {
        format!(
            "{}: {} -> {}",
            self.connection_rep, self.source, self.target
        )
    }

    /// Returns the identifier of the connection, such as `tcp://80`.
    pub fn connection_rep(&self) -> &str {
        &self.connection_rep
    }

    /// Returns the connecting driver.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the listening driver.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Returns the ports at the connecting end, lowest first; `Write` for a file.
    pub fn start_labels(&self) -> &[String] {
        &self.start_labels
    }

    /// Returns the ports at the listening end, lowest first; `Read` for a file.
    pub fn end_labels(&self) -> &[String] {
        &self.end_labels
    }

    /// Returns the best proof that there is for the connection.
    pub fn evidence(&self) -> Evidence {
        self.evidence
    }

    fn start_label(&self) -> String {
        self.start_labels.join(",")
    }

    fn end_label(&self) -> String {
        self.end_labels.join(",")
    }
}
