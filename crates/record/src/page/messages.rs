//! All messages in the order of time, each with its bytes.

use std::fmt::{self, Write};

use super::{LIMIT, Page};
use crate::escape::Html;
use crate::event::{By, Event, Piece};
use crate::shown::{At, Size, hex, one_line, quoted};
use crate::text::{describe, merged, name};
use crate::transcript::{Conversation, Record};

/// How much of the page the messages may take.
const PART: usize = LIMIT / 5 * 2;

/// The newest messages are there even if troubles of old ones are linked to.
const MOST: usize = 3_000;

pub(super) fn write(page: &mut Page<'_>) -> fmt::Result {
    page.section("messages", "Messages");
    let all = merged(page.transcript);
    if all.is_empty() {
        page.out.push_str("<p>None.</p>\n");
        page.end_section();
        return Ok(());
    }
    // From the newest on, as many as fit.
    let mut rows = Vec::new();
    let mut size = 0;
    for (number, (conversation, record)) in all.iter().enumerate().rev().take(MOST) {
        let row = row(page, number, conversation, record)?;
        size += row.len();
        if size > PART {
            break;
        }
        rows.push(row);
    }
    page.left_out(
        all.len() - rows.len(),
        "older ones are left out, to keep the page small; the capture and the data have them",
    );
    page.out.push_str(
        "<table class=\"messages\">\n<thead><tr><th scope=\"col\">Time</th>\
         <th scope=\"col\">Who</th><th scope=\"col\">What</th><th scope=\"col\">Line of the \
         test</th></tr></thead>\n<tbody>\n",
    );
    for row in rows.iter().rev() {
        page.out.push_str(row);
    }
    page.out.push_str("</tbody>\n</table>\n");
    page.end_section();
    Ok(())
}

fn row(
    page: &Page<'_>,
    number: usize,
    conversation: &Conversation,
    record: &Record,
) -> Result<String, fmt::Error> {
    let mut row = String::new();
    let peer = match page.peers.name(conversation) {
        Some(name) => one_line(name, 40),
        None => one_line(&conversation.peer.to_string(), 40),
    };
    let (class, arrow) = match &record.event {
        Event::Sent(_) | Event::Connected => ("sent", "→"),
        Event::Received(_) | Event::Accepted => ("received", "←"),
        Event::HalfClosed(By::Us) | Event::Closed(By::Us) => ("sent", "→"),
        Event::HalfClosed(By::Peer) | Event::Closed(By::Peer) => ("received", "←"),
        Event::Reset(By::Us) => ("sent", "→"),
        Event::Met(_) => ("met", ""),
        Event::Note(_) => ("", ""),
        _ => ("bad", ""),
    };
    write!(
        row,
        "<tr id=\"m{number}\" class=\"{class}\"><td class=\"time\">{}</td><td>{} {arrow} {}</td>\
         <td>",
        At(record.at),
        Html(&name(conversation)),
        Html(&peer)
    )?;
    match &record.event {
        Event::Sent(piece) | Event::Received(piece) => bytes(&mut row, piece)?,
        other => row.push_str(&Html(&describe(other, 300)).to_string()),
    }
    let place = record.place.map(|place| place.to_string());
    let place = place.unwrap_or_default();
    writeln!(row, "</td><td class=\"place\">{}</td></tr>", Html(&place))?;
    Ok(row)
}

fn bytes(row: &mut String, piece: &Piece) -> fmt::Result {
    let text = quoted(&piece.kept, 100, piece.is_whole());
    let size = Size(piece.length);
    if piece.kept.is_empty() {
        return write!(row, "{size}");
    }
    write!(
        row,
        "<details><summary>{size} <code>{}</code></summary><pre>{}</pre>",
        Html(&text),
        Html(&hex(&piece.kept))
    )?;
    if !piece.is_whole() {
        let more = piece.length - piece.kept.len() as u64;
        write!(
            row,
            "<p class=\"note\">and {more} more bytes, which were not kept</p>"
        )?;
    }
    row.push_str("</details>");
    Ok(())
}
