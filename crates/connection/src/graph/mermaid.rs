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

/// A text between quotes, in which only what is known to mean nothing stays as it
/// is: Mermaid reads entities, directives, Markdown and HTML there, and takes no
/// text at all for a mistake.
fn escape(text: &str) -> String {
    if text.is_empty() {
        return "#8203;".to_owned(); // a space of no width
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("<br/>"),
            '\u{2028}' | '\u{2029}' => out.push('\u{fffd}'),
            control if control.is_control() => out.push('\u{fffd}'),
            ' ' | '-' | '_' | '.' | ':' | '/' | ',' | '\'' | '(' | ')' | '[' | ']' | '|' => {
                out.push(character);
            }
            other if other.is_ascii_punctuation() => {
                let _ = write!(out, "#{};", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out
}
