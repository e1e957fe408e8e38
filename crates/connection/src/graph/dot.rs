//! The graph in Graphviz's dot language.

use std::fmt::Write;

use super::{Edge, Node};

pub(super) fn render(nodes: &[Node], edges: &[Edge]) -> String {
    let mut out = String::from(
        "digraph connections {\n    rankdir=LR;\n    nodesep=0.5;\n    ranksep=2;\n    \
         node [shape=box, style=rounded, fontname=\"sans-serif\"];\n    \
         edge [fontname=\"monospace\", fontsize=10];\n",
    );
    for node in nodes {
        let style = if node.is_connected() {
            ""
        } else {
            ", color=\"#ff0000\", style=\"rounded,dashed\""
        };
        let _ = writeln!(
            out,
            "    {} [label={}{style}];",
            quote(node.name()),
            quote(&node.label())
        );
    }
    for edge in edges {
        let _ = writeln!(
            out,
            "    {} -> {} [label={}, taillabel={}, headlabel={}];",
            quote(edge.source()),
            quote(edge.target()),
            quote(edge.connection_rep()),
            quote(&edge.start_label()),
            quote(&edge.end_label()),
        );
    }
    out.push_str("}\n");
    out
}

/// A quoted string; a backslash would begin one of dot's own escapes.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
