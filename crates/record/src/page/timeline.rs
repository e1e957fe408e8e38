//! The start as a picture: a row for each driver.

use std::fmt::{self, Write};

use super::Page;
use crate::driver::until;
use crate::escape::Html;
use crate::shown::{At, Took, one_line};
use crate::timeline::waiting;
use crate::transcript::{Step, Story};

const ROW: usize = 20;
const NAMES: usize = 180;
const WIDTH: usize = 900;

pub(super) fn write(page: &mut Page<'_>) -> fmt::Result {
    let transcript = page.transcript;
    page.section("start", "Start");
    let rows: Vec<(usize, &Story, &Step)> = transcript
        .drivers
        .iter()
        .enumerate()
        .filter_map(|(number, story)| Some((number, story, story.start()?)))
        .collect();
    let end = |step: &Step| step.at + until(step, transcript.taken);
    let bounds = (
        rows.iter().map(|(.., step)| step.at).min(),
        rows.iter().map(|(.., step)| end(step)).max(),
    );
    let (Some(begin), Some(last)) = bounds else {
        page.out.push_str("<p>No driver has begun to start.</p>\n");
        page.end_section();
        return Ok(());
    };
    let whole = last.saturating_sub(begin);
    let path = transcript.critical_path();
    if path.len() > 1 {
        let names: Vec<String> = path.iter().map(|s| one_line(&s.name, 60)).collect();
        let names = if names.len() > 40 {
            [&names[..20], &["…".to_owned()], &names[names.len() - 20..]].concat()
        } else {
            names
        };
        let names = names.join(" → ");
        writeln!(
            page.out,
            "<p>{} in all; the longest chain of waits: {}</p>",
            Took(whole),
            Html(&names)
        )?;
    }
    let height = rows.len() * ROW + ROW;
    writeln!(
        page.out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline\">\n\
         <svg viewBox=\"0 0 {} {height}\" width=\"{}\" height=\"{height}\" role=\"img\" \
         aria-label=\"When each driver started\">",
        NAMES + WIDTH,
        NAMES + WIDTH,
    )?;
    let x = |time: std::time::Duration| {
        let part = time.saturating_sub(begin).as_secs_f64() / whole.as_secs_f64().max(1e-9);
        NAMES as f64 + part * (WIDTH - 10) as f64
    };
    for quarter in 0..=4 {
        let time = begin + whole * quarter / 4;
        let at = x(time);
        let anchor = if quarter == 4 { "end" } else { "start" };
        writeln!(
            page.out,
            "<path class=\"grid\" d=\"M{at:.1} {ROW}V{height}\"/><text x=\"{at:.1}\" y=\"13\" \
             text-anchor=\"{anchor}\">{}</text>",
            Took(time.saturating_sub(begin))
        )?;
    }
    for (row, (number, story, step)) in rows.iter().enumerate() {
        let y = row * ROW + ROW;
        let (from, to) = (x(step.at), x(end(step)));
        let class = match (&step.error, step.took) {
            (Some(_), _) => "bad",
            (None, None) => "open",
            (None, Some(_)) if path.iter().any(|on| on.name == story.name) => "critical",
            (None, Some(_)) => "good",
        };
        let short = one_line(&story.name, 24);
        let title = format!(
            "{}: {} from {}",
            one_line(&story.name, 100),
            Took(until(step, transcript.taken)),
            At(step.at)
        );
        writeln!(
            page.out,
            "<a href=\"#d{number}\"><text x=\"0\" y=\"{}\">{}</text><rect class=\"{class}\" \
             x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" rx=\"2\"><title>{}</title>\
             </rect></a>",
            y + 14,
            Html(&short),
            y + 3,
            (to - from).max(2.0),
            ROW - 6,
            Html(&title)
        )?;
    }
    page.out.push_str("</svg>\n</div>\n");
    for (story, names) in waiting(transcript) {
        let name = one_line(&story.name, 32);
        writeln!(
            page.out,
            "<p>Waiting for {}: {}</p>",
            Html(&name),
            Html(&names)
        )?;
    }
    page.end_section();
    Ok(())
}
