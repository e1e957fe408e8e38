//! Each driver: its steps, what was asked of it, its logs, its options.

use std::fmt::{self, Write};

use super::{LIMIT, Page};
use crate::escape::Html;
use crate::shown::{At, Took, one_line};
use crate::timeline::answer;
use crate::transcript::Story;

/// What every driver gets, however many there are: its heading.
const HEADING: usize = 300;

pub(super) fn write(page: &mut Page<'_>) -> fmt::Result {
    page.section("drivers", "Drivers");
    let stories = &page.transcript.drivers;
    // Those in trouble are shown whole before others are, in their order.
    let (mut order, others): (Vec<usize>, Vec<usize>) =
        (0..stories.len()).partition(|number| is_trouble(&stories[*number]));
    order.extend(others);
    let mut room = LIMIT.saturating_sub(page.out.len());
    room = room.saturating_sub(stories.len() * HEADING);
    let mut bodies = vec![String::new(); stories.len()];
    let mut left_out = 0;
    for number in order {
        let body = body(&stories[number])?;
        if body.len() > room {
            left_out += 1;
            continue;
        }
        room -= body.len();
        bodies[number] = body;
    }
    for (number, (story, body)) in stories.iter().zip(&bodies).enumerate() {
        if page.out.len() > LIMIT {
            page.left_out(stories.len() - number, "more drivers are left out");
            break;
        }
        let open = if is_trouble(story) { " open" } else { "" };
        let class = if is_trouble(story) { "bad" } else { "good" };
        let kind = one_line(&story.kind, 40);
        writeln!(
            page.out,
            "<details id=\"d{number}\"{open}><summary><b class=\"{class}\">{}</b> {}</summary>",
            Html(&one_line(&story.name, 60)),
            Html(&kind)
        )?;
        page.out.push_str(body);
        page.out.push_str("</details>\n");
    }
    page.left_out(
        left_out,
        "of them are shown by name only, to keep the page small",
    );
    page.end_section();
    Ok(())
}

fn is_trouble(story: &Story) -> bool {
    let mut steps = story.steps.iter();
    steps.any(|step| step.error.is_some() || step.took.is_none())
        || story.probes.iter().any(|probe| !probe.is_met)
}

fn body(story: &Story) -> Result<String, fmt::Error> {
    let mut out = String::new();
    if !story.waits_for.is_empty() {
        let names: Vec<String> = story.waits_for.iter().map(|n| one_line(n, 60)).collect();
        let names = one_line(&names.join(", "), 600);
        writeln!(out, "<p>Its start waits for {}.</p>", Html(&names))?;
    }
    list(&mut out, "Steps", &story.steps, |step| {
        let outcome = match (&step.error, step.took) {
            (Some(error), Some(took)) => format!("failed after {}: {error}", Took(took)),
            (Some(error), None) => format!("failed: {error}"),
            (None, Some(took)) => format!("took {}", Took(took)),
            (None, None) => "is not over".to_owned(),
        };
        format!("{} {} {outcome}", At(step.at), step.name)
    })?;
    list(&mut out, "Readiness", &story.probes, answer)?;
    if let Some(end) = &story.exit {
        writeln!(
            out,
            "<p>{} {}</p>",
            At(end.at),
            Html(&one_line(&end.how, 600))
        )?;
    }
    if !story.lines.is_empty() {
        out.push_str("<h3>Logs</h3>\n<pre>");
        for line in &story.lines {
            let (log, text) = (one_line(&line.log, 40), one_line(&line.text, 600));
            writeln!(out, "{} {} | {}", At(line.at), Html(&log), Html(&text))?;
        }
        out.push_str("</pre>\n");
    }
    if !story.settings.is_empty() {
        out.push_str(
            "<h3>Options</h3>\n<table>\n<thead><tr><th scope=\"col\">Option</th>\
             <th scope=\"col\">Value</th><th scope=\"col\">From</th></tr></thead>\n<tbody>\n",
        );
        for setting in &story.settings {
            writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
                Html(&one_line(&setting.name, 60)),
                Html(&one_line(&setting.value, 600)),
                Html(&one_line(&setting.origin, 200))
            )?;
        }
        out.push_str("</tbody>\n</table>\n");
    }
    if story.dropped > 0 {
        let dropped = story.dropped;
        writeln!(
            out,
            "<p class=\"note\">{dropped} older entries are gone.</p>"
        )?;
    }
    Ok(out)
}

fn list<T>(out: &mut String, title: &str, items: &[T], text: impl Fn(&T) -> String) -> fmt::Result {
    if items.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h3>{title}</h3>\n<ul>")?;
    for item in items {
        let text = one_line(&text(item), 700);
        writeln!(out, "<li>{}</li>", Html(&text))?;
    }
    out.push_str("</ul>\n");
    Ok(())
}
