//! Logs of any content, written, rotated and truncated at any time.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use standin_config::Pattern;
use standin_driver::{Driver, Lifecycle, LogMatcher, match_regexps_in_file};

use support::{StubOptions, append};

/// Shorter than what counts as a pause in the writing of a line.
const PAUSE: Duration = Duration::from_millis(40);

fn all_lines(log: &LogMatcher) -> Vec<Vec<u8>> {
    let found = log
        .match_all("(?s-u).*", Duration::ZERO)
        .unwrap_or_default();
    found.into_iter().map(|found| found.line).collect()
}

/// What a test would say the lines are.
fn expected(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.pop();
    let strip = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    lines.into_iter().map(strip).collect()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(b'\n'),
        Just(b'\r'),
        Just(0xff),
        Just(b'a'),
        any::<u8>()
    ];
    proptest::collection::vec(byte, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_is_found_once_however_it_is_written(chunks in proptest::collection::vec(text(), 0..8)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = LogMatcher::new(&path);
        let mut found = Vec::new();
        let begun = Instant::now();
        for chunk in &chunks {
            append(&path, chunk);
            found.extend(all_lines(&log));
            // After a pause the beginning of a line counts as one; on a machine
            // with much else to do there are pauses.
            if begun.elapsed() >= PAUSE {
                return Ok(());
            }
        }
        append(&path, b"\n");
        found.extend(all_lines(&log));
        let mut whole = chunks.concat();
        whole.push(b'\n');
        prop_assert_eq!(found, expected(&whole));
    }

    #[test]
    fn every_line_is_found_across_rotations(logs in proptest::collection::vec(text(), 1..5)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = LogMatcher::new(&path);
        let mut found = Vec::new();
        for (index, text) in logs.iter().enumerate() {
            let mut text = text.clone();
            text.push(b'\n');
            append(&path, &text);
            found.extend(all_lines(&log));
            fs::rename(&path, folder.path().join(format!("log.{index}"))).unwrap();
        }
        let wanted: Vec<Vec<u8>> = logs
            .iter()
            .flat_map(|text| expected(&[text.as_slice(), b"\n"].concat()))
            .collect();
        prop_assert_eq!(found, wanted);
    }

    #[test]
    fn the_tail_is_the_end_of_the_log(text in text(), most in 1..6i64) {
        let folder = tempfile::tempdir().unwrap();
        let options = StubOptions::new()
            .name("app")
            .runpath(folder.path())
            .error_logs_max_lines(most);
        let mut app = options.build().unwrap();
        app.base().resource().entity().define_runpath(Some(folder.path().into())).unwrap();
        app.log = Some("log".into());
        append(&folder.path().join("log"), &text);
        let shown = String::from_utf8_lossy(&text).into_owned();
        let mut lines: Vec<&str> = shown.lines().collect();
        while lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        let wanted: Vec<String> = lines
            .iter()
            .skip(lines.len().saturating_sub(most as usize))
            .map(|line| format!("  {line}"))
            .collect();
        let found = app.fetch_error_log().unwrap();
        prop_assert_eq!(found.get(1..).unwrap_or_default(), wanted);
    }
}

#[track_caller]
fn check(path: &Path, pattern: &str, expected: bool) {
    let found = match_regexps_in_file(path, &[Pattern::from(pattern)]).unwrap();
    assert_eq!(found.all_matched, expected, "{pattern}");
}

#[test]
fn a_pattern_sees_one_line_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    append(&path, b"the port=80\r\n\xff\xfe binary\nlast");
    check(&path, "the", true);
    check(&path, "port", false);
    check(&path, ".*port=80$", true);
    check(&path, r"the port=80\r\n", true);
    check(&path, "(?-u:.*)binary", true);
    check(&path, "last$", true);
    check(&path, r"the.*\n.*binary", false);
    check(&path, "", true);
}
