//! The mistakes that a newcomer is most likely to make, and what there is to read of each:
//! as `unwrap` and a failing test show it, below `anyhow`, and in miette's own report.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod files;
mod peers;
mod processes;
mod starts;

use std::path::Path;
use std::time::Duration;

use expect_test::Expect;
use regex::Regex;
use standin::{Environment, Error};

const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);

/// Checks what is to be read of the mistake that `test` makes, in an environment whose files
/// are in `folder`.
#[track_caller]
fn check(test: impl FnOnce(&Path) -> standin::Result<()>, expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let error = test(folder.path()).unwrap_err();
    let report = format!("{error:?}");
    let anyhow = format!("{:?}", anyhow::Error::from(error.clone()));
    let mut graphical = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
        .with_width(200)
        .render_report(&mut graphical, error.diagnostic())
        .unwrap();
    has_all_causes(&error, &anyhow);
    has_all_causes(&error, &graphical);
    let shown = format!("{report}\n--- anyhow ---\n{anyhow}\n");
    expected.assert_eq(&normal(&shown, folder.path()));
}

/// Neither `anyhow` nor miette hides what went wrong.
#[track_caller]
fn has_all_causes(error: &Error, shown: &str) {
    let mut cause = Some(error as &dyn std::error::Error);
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<String>()
    };
    let frame = |c: char| c.is_whitespace() || "│╰─▶├×╭╮·".contains(c);
    let shown: String = shown.split(frame).collect();
    while let Some(error) = cause {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        assert!(shown.contains(&words(first)), "{first}\nis not in\n{shown}");
        cause = error.source();
    }
}

/// Ports, paths and times are another time others, and backtraces are nobody's business.
fn normal(text: &str, folder: &Path) -> String {
    let text = text
        .replace(&folder.display().to_string(), "DIR")
        .replace(env!("CARGO_MANIFEST_DIR"), "CURRENT");
    let text = text.split("\n\nStack backtrace:").next().unwrap();
    let replacements = [
        (r"(127\.0\.0\.1|localhost):\d+", "$1:PORT"),
        // What ends before its limit takes more than a millisecond on a busy machine.
        (
            r"(refused to \S+) after [\d.]+(ns|µs|ms|s) \(limit",
            "$1 at once (limit",
        ),
        (
            r"after [\d.]+(ns|µs|ms|s) \(limit 30s\)",
            "at once (limit 30s)",
        ),
        (r"after [\d.]+(ns|µs|ms|s) \(limit ([^,)]+)\)", "after $2"),
        (r"after [\d.]+(ns|µs|ms|s) \(limit ([^,)]+), ", "after $2 ("),
        (r"after [\d.]+(ns|µs|ms|s)\b", "after TIME"),
        (r"\d+ (checks?|times|attempts)", "N $1"),
        (r"ended [\d.]+(ns|µs|ms|s) after", "ended TIME after"),
        (r"\+\d+\.\d{3} \d{3} s", "+TIME"),
        (r" +[\d.]+ (ns|µs|ms|s)  \|[ =]{40}\|", "  TIME  |BAR|"),
        (
            r"(start of .*:|critical path:.*|->.*) [\d.]+ (ns|µs|ms|s)\b",
            "$1 TIME",
        ),
        (r"(critical path: .*) [\d.]+ (ns|µs|ms|s) ->", "$1 TIME ->"),
        (
            r"what was recorded: \S*/target/standin/(\S+?)/\S+/report.html",
            "what was recorded: target/standin/$1/RUN/report.html",
        ),
        // With more features there are more drivers, and more options of them.
        (r", (tcp-proxy|tls-certificate|tls)\b", ""),
        (r"pid \d+", "pid PID"),
        (r"waited [\d.]+ (ns|µs|ms|s) for", "waited TIME for"),
        (r" {2,}(\S+\.rs):\d+(?m:$)", "  $1"),
        (r"\.rs:\d+:\d+", ".rs"),
    ];
    let text = replacements
        .iter()
        .fold(text.to_owned(), |text, (from, to)| {
            Regex::new(from)
                .unwrap()
                .replace_all(&text, *to)
                .into_owned()
        });
    text.trim_end().to_owned() + "\n"
}

fn environment(folder: &Path) -> standin::Result<Environment> {
    Ok(Environment::builder("test")
        .runpath(folder.join("run"))
        .build()?)
}
