//! A transcript as one HTML page, which needs nothing beside it: no script, no font, no
//! picture, no network.

mod connections;
mod drivers;
mod graph;
mod messages;
mod timeline;

use std::fmt::{self, Write};

use crate::escape::Html;
use crate::event::{By, Event};
use crate::shown::{At, Took, day, one_line};
use crate::text::{describe, merged, name};
use crate::transcript::{Peers, Step, Transcript};

/// How large a page may be. What does not fit is left out from its longest sections.
const LIMIT: usize = 1_900_000;

const STYLE: &str = include_str!("style.css");

/// How many troubles are listed.
const TROUBLES: usize = 50;

/// A page while it is written. Writing to it cannot fail.
struct Page<'t> {
    transcript: &'t Transcript,
    peers: Peers<'t>,
    out: String,
}

impl Transcript {
    /// Renders the transcript as an HTML page: what went wrong, the timeline of the start, who was
    /// connected to whom, every message with its bytes, and each driver with its options and its
    /// logs.
    ///
    /// The page is one file that loads nothing and runs nothing, can be used by keyboard, and
    /// follows the reader's preference for light or dark. It is always smaller than 2 MB: the
    /// newest messages and the failed drivers come first.
    pub fn to_html(&self) -> String {
        let mut page = Page {
            transcript: self,
            peers: Peers::of(self),
            out: String::with_capacity(64 << 10),
        };
        // A `String` takes everything.
        let _ = page.write();
        page.out
    }
}

impl Page<'_> {
    fn write(&mut self) -> fmt::Result {
        let title = one_line(&self.transcript.name, 100);
        let title = Html(&title);
        write!(
            self.out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <header>\n<h1>{title}</h1>\n"
        )?;
        self.summary()?;
        self.out.push_str(
            "<nav aria-label=\"Sections\"><a href=\"#trouble\">What went wrong</a> \
             <a href=\"#start\">Start</a> <a href=\"#graph\">Graph</a> \
             <a href=\"#connections\">Connections</a> <a href=\"#messages\">Messages</a> \
             <a href=\"#drivers\">Drivers</a></nav>\n</header>\n<main>\n",
        );
        self.troubles()?;
        timeline::write(self)?;
        graph::write(self)?;
        connections::write(self)?;
        messages::write(self)?;
        drivers::write(self)?;
        self.out.push_str("</main>\n</body>\n</html>\n");
        Ok(())
    }

    fn section(&mut self, id: &str, title: &str) {
        let _ = writeln!(
            self.out,
            "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n\
             <h2 id=\"{id}-title\">{title}</h2>"
        );
    }

    fn end_section(&mut self) {
        self.out.push_str("</section>\n");
    }

    fn summary(&mut self) -> fmt::Result {
        let transcript = self.transcript;
        self.out.push_str("<p>");
        if let Some(day) = day(transcript.started) {
            write!(self.out, "Began <time>{day}</time>, shown up to ")?;
        } else {
            self.out.push_str("Shown up to ");
        }
        write!(
            self.out,
            "<b>{}</b>: {}, {}.",
            At(transcript.taken),
            count(transcript.drivers.len(), "driver", "drivers"),
            count(
                transcript.conversations.len(),
                "end of a connection",
                "ends of connections"
            ),
        )?;
        if transcript.forgotten > 0 {
            let forgotten = transcript.forgotten;
            write!(
                self.out,
                " {forgotten} earlier ones are gone, to keep within bounds."
            )?;
        }
        self.out.push_str("</p>\n");
        Ok(())
    }

    /// Everything that is not as it should be, by time.
    fn troubles(&mut self) -> fmt::Result {
        self.section("trouble", "What went wrong");
        let mut troubles = Vec::new();
        for (number, story) in self.transcript.drivers.iter().enumerate() {
            let name = one_line(&story.name, 60);
            let start = story.start().and_then(|start| start.error.as_ref());
            // A step that ended the start has said it.
            let is_said = |step: &&Step| step.name != Step::START && step.error.as_ref() == start;
            let is_new = |step: &&Step| step.error.is_none() || !is_said(step);
            for step in story.steps.iter().filter(is_new) {
                let what = match (&step.error, step.took) {
                    (Some(error), _) => format!("{} failed: {error}", step.name),
                    (None, None) => {
                        let since = self.transcript.taken.saturating_sub(step.at);
                        format!("{} is not over after {}", step.name, Took(since))
                    }
                    (None, Some(_)) => continue,
                };
                troubles.push((step.at, format!("d{number}"), name.clone(), what));
            }
            if let Some(end) = story.ended_by_itself().filter(|end| !end.is_expected) {
                troubles.push((end.at, format!("d{number}"), name.clone(), end.how.clone()));
            }
            for probe in story.probes.iter().filter(|probe| !probe.is_met) {
                let what = crate::timeline::answer(probe);
                troubles.push((probe.last, format!("d{number}"), name.clone(), what));
            }
        }
        for (number, (conversation, record)) in merged(self.transcript).iter().enumerate() {
            let is_trouble = matches!(
                record.event,
                Event::DeadlinePassed { .. }
                    | Event::Unmet(_)
                    | Event::Fault(_)
                    | Event::Reset(By::Peer)
            );
            if is_trouble {
                let what = describe(&record.event, 120);
                troubles.push((record.at, format!("m{number}"), name(conversation), what));
            }
        }
        troubles.sort_by_key(|(at, ..)| *at);
        if troubles.is_empty() {
            self.out.push_str(
                "<p>No record says so; the messages and the drivers below show what \
                 happened.</p>\n",
            );
        } else {
            self.out.push_str("<ol class=\"trouble\">\n");
        }
        let left_out = troubles.len().saturating_sub(TROUBLES);
        let is_empty = troubles.is_empty();
        for (at, id, name, what) in troubles.into_iter().skip(left_out) {
            let what = one_line(&what, 300);
            writeln!(
                self.out,
                "<li><a href=\"#{id}\">{} {}</a> {}</li>",
                At(at),
                Html(&name),
                Html(&what)
            )?;
        }
        if !is_empty {
            self.out.push_str("</ol>\n");
        }
        self.left_out(left_out, "earlier ones are not listed");
        self.end_section();
        Ok(())
    }

    fn left_out(&mut self, count: usize, what: &str) {
        if count > 0 {
            let _ = writeln!(self.out, "<p class=\"note\">{count} {what}.</p>");
        }
    }
}

fn count(number: usize, one: &str, several: &str) -> String {
    let what = if number == 1 { one } else { several };
    format!("{number} {what}")
}
