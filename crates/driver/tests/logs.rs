//! Logs of any content, written, rotated and truncated at any time.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use standin_config::Pattern;
use standin_driver::{
    Driver, Lifecycle, LogMatchError, LogMatcher, Readiness, match_regexps_in_file,
};
use standin_entity::Error;

use support::{StubBuilder, append};

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

/// What happens to a log between two looks.
#[derive(Clone, Debug)]
enum Act {
    Append(Vec<u8>),
    /// Truncated in place and written again.
    Rewrite(Vec<u8>),
    Rotate,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => text().prop_map(Act::Append),
        1 => text().prop_map(Act::Rewrite),
        1 => Just(Act::Rotate),
    ]
}

/// A log as its reader sees it: what it has read of the file, and all lines so far.
#[derive(Default)]
struct Model {
    content: Vec<u8>,
    line: Vec<u8>,
    lines: Vec<u8>,
}

impl Model {
    fn append(&mut self, text: &[u8]) {
        self.content.extend(text);
        for byte in text {
            self.line.push(*byte);
            if *byte == b'\n' {
                self.lines.append(&mut self.line);
            }
        }
    }

    /// The last line is never ended.
    fn end(&mut self) {
        self.content.clear();
        if !self.line.is_empty() {
            self.lines.append(&mut self.line);
            self.lines.push(b'\n');
        }
    }

    fn rewrite(&mut self, text: &[u8]) {
        let tail = self.content.len().saturating_sub(64)..self.content.len();
        match text.split_at_checked(self.content.len()) {
            // What cannot be told from more of the same counts as such.
            Some((same, more)) if same[tail.clone()] == self.content[tail] => self.append(more),
            _ => {
                self.end();
                self.append(text);
            }
        }
    }
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
    fn every_line_is_found_whatever_happens_to_the_file(acts in proptest::collection::vec(act(), 0..12)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = LogMatcher::new(&path);
        let mut found = Vec::new();
        let mut model = Model::default();
        let begun = Instant::now();
        for (index, act) in acts.iter().enumerate() {
            match act {
                Act::Append(text) => {
                    append(&path, text);
                    model.append(text);
                }
                Act::Rewrite(text) => {
                    fs::write(&path, text).unwrap();
                    model.rewrite(text);
                }
                Act::Rotate => {
                    append(&path, b"");
                    fs::rename(&path, folder.path().join(format!("log.{index}"))).unwrap();
                    append(&path, b"");
                    model.end();
                }
            }
            found.extend(all_lines(&log));
            if begun.elapsed() >= PAUSE {
                return Ok(());
            }
        }
        prop_assert_eq!(found, expected(&model.lines));
    }

    #[test]
    fn the_tail_is_the_end_of_the_log(text in text(), most in 1..6i64) {
        let folder = tempfile::tempdir().unwrap();
        let options = StubBuilder::new()
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
    let error = match_regexps_in_file(&path, &[Pattern::from(r"the.*\n.*binary")]).unwrap_err();
    assert!(
        error.to_string().contains("it spans several lines"),
        "{error}"
    );
    check(&path, "", true);
}

#[test]
fn a_line_of_any_bytes_is_matched_by_what_is_readable_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    append(&path, b"f\xfcr: ERROR, ready on \xe9 8080\n");
    let log = LogMatcher::new(&path);
    log.not_match(".*ERROR", Duration::ZERO).unwrap_err();
    log.seek_start();
    let found = log
        .match_line(r".*ready on (?<what>\S+) (?<port>\d+)", Duration::ZERO)
        .unwrap();
    assert_eq!(found.groups["what"], b"\xe9");
    assert_eq!(found.group("port").as_deref(), Some("8080"));
    check(&path, ".*ready", true);
    check(&path, "f.r: ERROR", true);
    check(&path, r"f\wr", false);
}

#[test]
fn colours_are_not_part_of_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    append(
        &path,
        b"\x1b[32mINFO\x1b[0m:     running on \x1b[1mhttp://h:80\x1b[0m (quit)\n",
    );
    let log = LogMatcher::new(&path);
    let found = log
        .match_line(r"INFO:\s+running on (?<url>.*) \(quit\)$", Duration::ZERO)
        .unwrap();
    assert_eq!(found.group("url").as_deref(), Some("http://h:80"));
    assert!(
        found.text().starts_with('\u{1b}'),
        "the line is as it was written"
    );
    log.seek_start();
    log.not_match("INFO", Duration::ZERO).unwrap_err();
    check(&path, r"\x1b\[32mINFO", true);
}

#[test]
fn a_log_of_one_endless_line_is_looked_at_as_far_as_that_goes() {
    const SIZE: usize = 100 << 20;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    append(&path, b"begin port=80 ");
    for _ in 0..SIZE / (1 << 20) {
        append(&path, &vec![b'x'; 1 << 20]);
    }
    append(&path, b"ready ERROR\nready\n");
    let log = LogMatcher::new(&path);
    // What matches within its beginning matches.
    let found = log
        .match_line(r"begin port=(?<port>\d+)", Duration::ZERO)
        .unwrap();
    assert_eq!(found.group("port").as_deref(), Some("80"));
    // Its middle is not the beginning of a line, and its rest is not a line.
    let found = log.match_line("ready", Duration::ZERO).unwrap();
    assert_eq!(found.text(), "ready");
    // What might match beyond is not said to be absent, and nothing is cut short.
    log.seek_start();
    let error = log.not_match(".*ERROR", Duration::ZERO).unwrap_err();
    assert!(
        matches!(error, LogMatchError::LineTooLong { .. }),
        "{error}"
    );
    log.seek_start();
    let error = log
        .match_line("(?<all>begin.*)$", Duration::ZERO)
        .unwrap_err();
    assert!(
        error.to_string().ends_with("of 1 only the first 4 MiB"),
        "{error}"
    );
    log.seek_start();
    let error = log.match_all("begin.*", Duration::ZERO).unwrap_err();
    assert!(
        matches!(error, LogMatchError::LineTooLong { .. }),
        "{error}"
    );
}

#[test]
fn half_a_number_at_the_end_of_what_is_written_is_not_captured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    append(&path, b"listening on 80");
    let log = LogMatcher::new(&path);
    std::thread::sleep(2 * PAUSE);
    let pattern = r"listening on (?<port>\d+)";
    let error = log.match_line(pattern, Duration::ZERO).unwrap_err();
    assert!(
        format!("{:?}", miette_help(&error)).contains("its end is missing"),
        "{error}"
    );
    // What should not be there is there, however the line ends.
    log.not_match(pattern, Duration::ZERO).unwrap_err();
    log.seek_start();
    // Without a group there is nothing to cut.
    log.match_line("listening on", Duration::ZERO).unwrap();
    log.seek_start();
    append(&path, b"80\n");
    let found = log.match_line(pattern, Duration::ZERO).unwrap();
    assert_eq!(found.group("port").as_deref(), Some("8080"));
}

fn miette_help(error: &LogMatchError) -> String {
    use miette::Diagnostic;
    error
        .help()
        .map(|help| help.to_string())
        .unwrap_or_default()
}

#[cfg(unix)]
#[test]
fn a_log_that_is_no_file_is_refused_at_once() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for (path, what) in [(&*fifo, "a FIFO"), (folder.path(), "a directory")] {
        let log = LogMatcher::new(path);
        for error in [
            log.match_line("x", None).unwrap_err(),
            log.seek_end().unwrap_err(),
        ] {
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(what), "{source}");
        }
        let app = StubBuilder::new()
            .name("app")
            .runpath(folder.path().join("app"))
            .ready([Readiness::log_in(path.to_str().unwrap(), "x")])
            .build()
            .unwrap();
        let error = format!("{:?}", Error::from(app.start().unwrap_err()));
        assert!(error.contains(what), "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_search_in_a_log_without_an_end_ends_in_time() {
    let log = LogMatcher::new("/dev/zero");
    for timeout in [Duration::ZERO, PAUSE] {
        let error = log.match_line("x", timeout).unwrap_err();
        assert!(matches!(error, LogMatchError::NoMatch { .. }), "{error}");
    }
}
