//! The graph in Graphviz's dot language.

use std::collections::HashMap;
use std::fmt::Write;

use super::{Edge, Node};

pub(super) fn render(nodes: &[Node], edges: &[Edge]) -> String {
    let mut out = String::from(
        "digraph connections {\n    rankdir=LR;\n    nodesep=0.5;\n    ranksep=2;\n    \
         node [shape=box, style=rounded, fontname=\"sans-serif\"];\n    \
         edge [fontname=\"monospace\", fontsize=10];\n",
    );
    // Names may hold anything, and what dot cannot hold is replaced: nodes are
    // referred to by their places, which stay different.
    for (index, node) in nodes.iter().enumerate() {
        let style = if node.is_connected() {
            ""
        } else {
            ", color=\"#ff0000\", style=\"rounded,dashed\""
        };
        let _ = writeln!(out, "    n{index} [label={}{style}];", quote(&node.label()));
    }
    let places: HashMap<&str, usize> = nodes.iter().map(Node::name).zip(0..).collect();
    for edge in edges {
        let ends = (places.get(edge.source()), places.get(edge.target()));
        let (Some(source), Some(target)) = ends else {
            continue;
        };
        let _ = writeln!(
            out,
            "    n{source} -> n{target} [label={}, taillabel={}, headlabel={}];",
            quote(edge.connection_rep()),
            quote(&edge.start_label()),
            quote(&edge.end_label()),
        );
    }
    out.push_str("}\n");
    out
}

/// A quoted string; a backslash would begin one of dot's own escapes, and an
/// ampersand one of HTML's, which dot reads as well.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            '\n' => out.push_str("\\n"),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
