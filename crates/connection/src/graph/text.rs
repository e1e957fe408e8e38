//! The graph as lines of text, for errors and terminals.

use std::fmt;

use super::ConnectionGraph;

/// One line for each connection, each unconnected driver and each accepted
/// connection that comes from no driver.
impl fmt::Display for ConnectionGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let edges = self.edges();
        let nodes = self.nodes();
        let width = |name: &str| name.chars().count();
        let widest = edges.iter().map(|edge| width(edge.source())).max();
        let source = widest.unwrap_or(0);
        let widest = edges.iter().map(|edge| width(edge.target())).max();
        let target = widest.unwrap_or(0);
        for edge in edges {
            writeln!(
                f,
                "{:source$} --> {:target$}   {}   {} -> {}",
                edge.source(),
                edge.target(),
                edge.connection_rep(),
                edge.start_label(),
                edge.end_label()
            )?;
        }
        for node in nodes.iter().filter(|node| !node.is_connected()) {
            writeln!(f, "{:source$} is unconnected", node.name())?;
        }
        for (driver, ends) in &self.conclusions().strangers {
            let (local, peer) = (ends.local(), ends.peer());
            writeln!(
                f,
                "{driver:source$} accepted {peer} at {local}, which belongs to no driver"
            )?;
        }
        if nodes.is_empty() {
            writeln!(f, "(no drivers)")?;
        }
        Ok(())
    }
}
