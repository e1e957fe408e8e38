//! A table of all connections.

use std::fmt::{self, Write};

use super::{LIMIT, Page, graph};
use crate::escape::Html;
use crate::shown::{At, Size, one_line};
use crate::text::name;

/// How much of the page the table may take.
const PART: usize = LIMIT / 8;

pub(super) fn write(page: &mut Page<'_>) -> fmt::Result {
    page.section("connections", "Connections");
    let conversations = &page.transcript.conversations;
    if conversations.is_empty() {
        page.out.push_str("<p>None.</p>\n");
        page.end_section();
        return Ok(());
    }
    page.out.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Connections\">\n\
         <table>\n<thead><tr><th scope=\"col\">Connection</th><th scope=\"col\">This end</th>\
         <th scope=\"col\">Other end</th><th scope=\"col\">Opened</th><th scope=\"col\">Last\
         </th><th scope=\"col\">Sent</th><th scope=\"col\">Received</th>\
         <th scope=\"col\">Records</th></tr></thead>\n<tbody>\n",
    );
    let begin = page.out.len();
    let mut shown = 0;
    for conversation in conversations {
        if page.out.len() - begin > PART {
            break;
        }
        shown += 1;
        let (sent, received) = graph::totals(conversation);
        let peer = page.peers.name(conversation).map(|name| one_line(name, 60));
        let at = |record: Option<&crate::transcript::Record>| {
            record.map(|record| At(record.at).to_string())
        };
        let gone = match conversation.dropped.records {
            0 => String::new(),
            gone => format!(", {gone} older ones are gone"),
        };
        writeln!(
            page.out,
            "<tr><th scope=\"row\">{}</th><td class=\"whole\">{}</td><td>{} {}</td>\
             <td class=\"whole\">{}</td><td class=\"whole\">{}</td><td>{}</td>\
             <td>{}</td><td>{}{gone}</td></tr>",
            Html(&name(conversation)),
            Html(&one_line(&conversation.local.to_string(), 100)),
            Html(&peer.unwrap_or_default()),
            Html(&one_line(&conversation.peer.to_string(), 100)),
            at(conversation.records.first()).unwrap_or_default(),
            at(conversation.records.last()).unwrap_or_default(),
            Size(sent),
            Size(received),
            conversation.records.len(),
        )?;
    }
    page.out.push_str("</tbody>\n</table>\n</div>\n");
    let left_out = page.transcript.conversations.len() - shown;
    page.left_out(left_out, "more are left out, to keep the page small");
    page.end_section();
    Ok(())
}
