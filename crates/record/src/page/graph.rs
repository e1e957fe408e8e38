//! A picture of the connections: drivers that only connect on the left, those that only accept on
//! the right, those that do both between them.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::Page;
use crate::address::Address;
use crate::escape::Html;
use crate::event::Event;
use crate::shown::{Size, one_line};
use crate::transcript::Conversation;

/// How many edges are drawn. A picture of more shows nothing.
const EDGES: usize = 200;

const BOX: (usize, usize) = (200, 28);
const COLUMN: usize = 360;
const ROW: usize = 44;

/// A driver, or an address without one.
#[derive(Default)]
struct Node {
    connects: bool,
    accepts: bool,
    row: usize,
}

impl Node {
    fn column(&self) -> usize {
        match (self.connects, self.accepts) {
            (true, false) => 0,
            (true, true) => 1,
            (false, _) => 2,
        }
    }
}

#[derive(Default)]
struct Edge {
    connections: usize,
    there: u64,
    back: u64,
}

pub(super) fn write(page: &mut Page<'_>) -> fmt::Result {
    page.section("graph", "Who was connected to whom");
    let edges = edges(page);
    if edges.is_empty() {
        page.out.push_str("<p>No connection was recorded.</p>\n");
        page.end_section();
        return Ok(());
    }
    let left_out = edges.len().saturating_sub(EDGES);
    let mut drawn: Vec<_> = edges.into_iter().collect();
    // What moved the most is shown.
    drawn.sort_by_key(|(_, edge)| std::cmp::Reverse(edge.there + edge.back));
    drawn.truncate(EDGES);
    drawn.sort_by(|a, b| a.0.cmp(&b.0));
    let mut nodes: BTreeMap<&str, Node> = BTreeMap::new();
    for ((from, to), _) in &drawn {
        nodes.entry(from).or_default().connects = true;
        nodes.entry(to).or_default().accepts = true;
    }
    let mut rows = [0; 3];
    for node in nodes.values_mut() {
        let rows = &mut rows[node.column()];
        node.row = *rows;
        *rows += 1;
    }
    // Without anybody between them the others stand side by side.
    let middle = usize::from(rows[1] > 0);
    let x = |column: usize| match column {
        2 => (1 + middle) * COLUMN,
        column => column * COLUMN,
    };
    let width = x(2) + BOX.0 + 2;
    let height = rows.iter().max().copied().unwrap_or(0) * ROW + 8;
    writeln!(
        page.out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Graph\">\n\
         <svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"Who was connected to whom\">\n\
         <defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" \
         markerWidth=\"8\" markerHeight=\"8\" orient=\"auto-start-reverse\">\
         <path d=\"M0 0L8 4L0 8z\"/></marker></defs>"
    )?;
    for ((from, to), edge) in &drawn {
        let (start, end) = (&nodes[from.as_str()], &nodes[to.as_str()]);
        let (from_x, from_y) = (x(start.column()) + BOX.0, start.row * ROW + 4 + BOX.1 / 2);
        let (to_x, to_y) = (x(end.column()), end.row * ROW + 4 + BOX.1 / 2);
        let bend = from_x + 60;
        let back = to_x as i64 - 60;
        let title = format!(
            "{from} → {to}: {}, {} there, {} back",
            super::count(edge.connections, "connection", "connections"),
            Size(edge.there),
            Size(edge.back)
        );
        writeln!(
            page.out,
            "<path class=\"edge\" marker-end=\"url(#arrow)\" \
             d=\"M{from_x} {from_y}C{bend} {from_y} {back} {to_y} {to_x} {to_y}\">\
             <title>{}</title></path>",
            Html(&title)
        )?;
    }
    for (name, node) in &nodes {
        let short = one_line(name, 26);
        writeln!(
            page.out,
            "<g transform=\"translate({} {})\"><rect class=\"node\" width=\"{}\" height=\"{}\" \
             rx=\"5\"/><text x=\"10\" y=\"18\">{}<title>{}</title></text></g>",
            x(node.column()) + 1,
            node.row * ROW + 4,
            BOX.0,
            BOX.1,
            Html(&short),
            Html(name)
        )?;
    }
    page.out.push_str("</svg>\n</div>\n");
    page.left_out(
        left_out,
        "more pairs are not drawn; the list below has them",
    );
    page.end_section();
    Ok(())
}

/// Pairs of names, who connected first. A connection with both ends counts once.
fn edges(page: &Page<'_>) -> BTreeMap<(String, String), Edge> {
    let conversations = &page.transcript.conversations;
    let mut edges: BTreeMap<(String, String), Edge> = BTreeMap::new();
    for (index, one) in conversations.iter().enumerate() {
        let other = page.peers.other_end(one);
        let has_connected = connected(one);
        // Of two ends the one that connected stands for both.
        let is_told_by_other = other.is_some_and(|other| {
            let theirs = connected(&conversations[other]);
            (theirs && !has_connected) || (theirs == has_connected && other < index)
        });
        if is_told_by_other {
            continue;
        }
        let this = one_line(&one.driver, 100);
        let that = match (page.peers.name(one), &one.peer) {
            (Some(name), _) => one_line(name, 100),
            // Every connection has a port of its own.
            (None, Address::Tcp(address)) if !has_connected => address.ip().to_string(),
            (None, address) => one_line(&address.to_string(), 100),
        };
        let (sent, received) = totals(one);
        let (pair, there, back) = if has_connected {
            ((this, that), sent, received)
        } else {
            ((that, this), received, sent)
        };
        let edge = edges.entry(pair).or_default();
        edge.connections += 1;
        edge.there += there;
        edge.back += back;
    }
    edges
}

fn connected(conversation: &Conversation) -> bool {
    let first = conversation.records.first();
    first.is_some_and(|record| record.event == Event::Connected)
}

/// How many bytes went out and came in, with those that are forgotten.
pub(super) fn totals(conversation: &Conversation) -> (u64, u64) {
    let dropped = conversation.dropped;
    let mut totals = (dropped.sent, dropped.received);
    for record in &conversation.records {
        match &record.event {
            Event::Sent(piece) => totals.0 += piece.length,
            Event::Received(piece) => totals.1 += piece.length,
            _ => {}
        }
    }
    totals
}
