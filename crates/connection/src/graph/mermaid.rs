//! The graph as a Mermaid flowchart.

use std::collections::HashMap;
use std::fmt::Write;

use super::{Edge, Node};

pub(super) fn render(nodes: &[Node], edges: &[Edge]) -> String {
    let mut out = String::from("flowchart LR\n");
    for (index, node) in nodes.iter().enumerate() {
        let class = if node.is_connected() {
            ""
        } else {
            ":::unconnected"
        };
        let _ = writeln!(out, "    n{index}[\"{}\"]{class}", escape(&node.label()));
    }
    // Names may hold anything, so that nodes are referred to by their places.
    let places: HashMap<&str, usize> = nodes.iter().map(Node::name).zip(0..).collect();
    for edge in edges {
        let ends = (places.get(edge.source()), places.get(edge.target()));
        let (Some(source), Some(target)) = ends else {
            continue;
        };
        let label = format!(
            "{}\n{} → {}",
            edge.connection_rep(),
            edge.start_label(),
            edge.end_label()
        );
        let _ = writeln!(out, "    n{source} -->|\"{}\"| n{target}", escape(&label));
    }
    if nodes.iter().any(|node| !node.is_connected()) {
        out.push_str("    classDef unconnected stroke:#ff0000,stroke-dasharray:4 3\n");
    }
    out
}

/// Characters that mean something to Mermaid or to HTML, as its own entities.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("<br/>"),
            '"' => out.push_str("#quot;"),
            '#' => out.push_str("#35;"),
            '&' => out.push_str("#amp;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '`' => out.push_str("#96;"),
            '\\' => out.push_str("#92;"),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}
