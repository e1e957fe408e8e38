//! The files that explain a failed test: when they are written, where, and what is said of them.
//!
//! The tests at the end of this file fail, or pass, in their own ways. The others run each of
//! them in a process of its own, as the test harness does.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it, and says why"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use standin::environment::{Format, Record};
use standin::{Driver, Environment, Error, Lifecycle, Result, RunningEnvironment, TcpServer};

const SOON: Duration = Duration::from_secs(60);
const VARIABLE: &str = "STANDIN_ARTIFACTS";

struct Ended {
    passed: bool,
    output: String,
    folder: tempfile::TempDir,
}

impl Ended {
    #[track_caller]
    fn says(&self, text: &str) {
        assert!(
            self.output.contains(text),
            "no {text:?} in\n{}",
            self.output
        );
    }

    /// All files, by their paths below the folder.
    fn files(&self) -> Vec<String> {
        let mut all = Vec::new();
        collect(self.folder.path(), &mut all);
        let below = |path: PathBuf| {
            let path = path.strip_prefix(self.folder.path()).unwrap();
            path.display().to_string()
        };
        let mut all: Vec<String> = all.into_iter().map(below).collect();
        all.sort();
        all
    }

    /// The page of the only failure, and what is beside it.
    #[track_caller]
    fn page(&self) -> String {
        let files = self.files();
        let names = files
            .iter()
            .map(|file| Path::new(file).file_name().unwrap());
        let names: Vec<_> = names.collect();
        let expected = ["capture.pcapng", "report.html", "transcript.txt"];
        assert_eq!(names, expected, "{}", self.output);
        let page = self.folder.path().join(&files[1]);
        self.says(&format!("what was recorded: {}", page.display()));
        fs::read_to_string(page).unwrap()
    }
}

fn collect(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, all);
        } else {
            all.push(path);
        }
    }
}

/// Runs a test of this file in a process of its own, by way of `sh`, after `setup`.
fn run_after(setup: &str, test: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new("sh")
        .arg("-c")
        .arg(format!("{setup}\nexec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--show-output"])
        .env(VARIABLE, folder.path())
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let output = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    Ended {
        passed: ran.status.success(),
        output: output.concat(),
        folder,
    }
}

fn run(test: &str) -> Ended {
    run_after("", test)
}

#[test]
fn each_way_to_fail_leaves_them_and_says_where() {
    for test in [
        "subjects::does_not_start",
        "subjects::is_not_used",
        "subjects::panics",
        "subjects::question_mark",
        "subjects::error_of_a_driver",
        "subjects::returned_to_run",
        "subjects::noted",
        "subjects::written_early",
        "subjects::panics_after_a_stop",
        "subjects::panics_after_the_scope",
        "subjects::aborts",
    ] {
        let ended = run(test);
        let page = ended.page();
        assert!(page.contains("<h1"), "{test}");
        assert_eq!(
            ended.output.matches("what was recorded:").count(),
            1,
            "{}",
            ended.output
        );
        let passes = [
            "subjects::aborts",
            "subjects::noted",
            "subjects::written_early",
        ];
        if !passes.contains(&test) {
            assert!(!ended.passed, "{test}: {}", ended.output);
        }
    }
}

#[test]
fn a_test_that_passes_leaves_none() {
    for test in [
        "subjects::passes_by_drop",
        "subjects::passes_by_stop",
        "subjects::passes_after_an_error",
    ] {
        let ended = run(test);
        assert!(ended.passed, "{}", ended.output);
        assert_eq!(ended.files(), [""; 0], "{test}");
        assert!(!ended.output.contains("standin:"), "{}", ended.output);
    }
}

#[test]
fn the_option_says_which() {
    let ended = run("subjects::other_formats");
    let files = ended.files();
    let names: Vec<_> = files
        .iter()
        .map(|file| file.rsplit('/').next().unwrap())
        .collect();
    let expected = ["sequence.mmd", "start.trace.json", "transcript.json"];
    assert_eq!(names, expected);
    assert_eq!(run("subjects::no_formats").files(), [""; 0]);
}

#[test]
fn without_the_variable_they_are_below_the_target_directory() {
    let ended = run_after(&format!("unset {VARIABLE}"), "subjects::panics");
    let (_, rest) = ended.output.split_once("what was recorded: ").unwrap();
    let (page, _) = rest.split_once("report.html").unwrap();
    assert!(page.contains("/target/standin/evidence/"), "{page}");
    assert!(Path::new(page).join("capture.pcapng").exists());
    fs::remove_dir_all(page).unwrap();
}

#[test]
fn of_earlier_runs_the_latest_three_stay() {
    // A target directory of its own, as the runs of another copy of this file would count too.
    let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(target.path().join("CACHEDIR.TAG"), "# as cargo makes it").unwrap();
    let program = target.path().join("program");
    let setup = format!(
        "unset {VARIABLE}
         [ -e '{0}' ] || ln \"$0\" '{0}' || cp \"$0\" '{0}'
         exec '{0}' \"$@\"",
        program.display()
    );
    let mut folders = Vec::new();
    for _ in 0..6 {
        let ended = run_after(&setup, "subjects::panics_in_another");
        let (_, rest) = ended.output.split_once("what was recorded: ").unwrap();
        let (page, _) = rest.split_once("/report.html").unwrap();
        folders.push(PathBuf::from(page));
        let below = target.path().join("standin/pruned");
        assert_eq!(folders.last().unwrap().parent().unwrap(), below);
    }
    let left = folders.iter().filter(|folder| folder.exists()).count();
    // Three, and that of the last run.
    assert_eq!(left, 4, "{folders:?}");
}

#[test]
fn what_cannot_be_written_is_said_and_changes_nothing() {
    for (setup, reason, left) in [
        // Root may write everywhere, but not below a file.
        ("STANDIN_ARTIFACTS=/dev/null", "Not a directory", &[][..]),
        // Enough for the small ones.
        (
            "trap '' XFSZ; ulimit -f 8",
            "report.html cannot be written: File too large",
            &["capture.pcapng", "transcript.txt"],
        ),
    ] {
        let ended = run_after(setup, "subjects::panics");
        ended.says("the price is wrong");
        ended.says(reason);
        ended.says("STARTED: \"server\"");
        let files = ended.files();
        let names: Vec<_> = files
            .iter()
            .map(|file| file.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(names, left, "nothing half is left");
    }
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let elsewhere = tempfile::tempdir().unwrap();
    let setup = format!("ln -s {} ${VARIABLE}/evidence", elsewhere.path().display());
    let ended = run_after(&setup, "subjects::panics");
    ended.says("cannot be written");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn names_are_made_fit() {
    let ended = run("subjects::odd_name");
    let page = ended.page();
    assert!(!page.contains("<b>&"), "the name is escaped");
    let file = &ended.files()[0];
    assert!(file.starts_with("bx-xxxxx") && file.len() < 200, "{file}");
}

#[test]
fn several_failures_of_one_process_have_a_folder_each() {
    let ended = run("subjects::fails_twice");
    assert_eq!(ended.files().len(), 6, "{}", ended.output);
    assert_eq!(ended.output.matches("what was recorded:").count(), 2);
}

#[test]
fn on_request_all_are_written_where_one_wants() {
    let folder = tempfile::tempdir().unwrap();
    let mut env = Environment::new("on request");
    env.add(TcpServer::builder("server").build().unwrap())
        .unwrap();
    let env = env.start().unwrap();
    let files = env.write_files(folder.path().join("a/b")).unwrap();
    assert_eq!(files.len(), Format::ALL.len());
    for file in &files {
        assert!(fs::metadata(file).unwrap().len() > 0, "{}", file.display());
    }
    // Again, over those.
    env.write_files(folder.path().join("a/b")).unwrap();
    let left = fs::read_dir(folder.path().join("a/b")).unwrap();
    assert_eq!(left.count(), Format::ALL.len());
    env.write_files("/dev/null/a").unwrap_err();
}

mod subjects {
    use super::*;

    fn environment(name: &str, record: Record) -> Result<RunningEnvironment> {
        let mut env = Environment::builder(name).record(record).build()?;
        env.add(TcpServer::builder("server").build()?)?;
        Ok(env.start()?)
    }

    fn start() -> Result<RunningEnvironment> {
        environment("evidence", Record::default())
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn does_not_start() -> Result<()> {
        let mut env = Environment::new("evidence");
        let fails = |_: &dyn Driver| Err(Error::msg("no licence"));
        env.add(TcpServer::builder("server").pre_start(fails).build()?)?;
        let _env = env.start()?;
        Ok(())
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn is_not_used() -> Result<()> {
        let mut env = Environment::new("evidence");
        let fails = |_: &dyn Driver| Err(Error::msg("nobody came"));
        env.add(TcpServer::builder("server").pre_stop(fails).build()?)?;
        Ok(env.start()?.stop()?)
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn panics() {
        let _env = start().unwrap();
        panic!("the price is wrong");
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn panics_in_another() {
        let _env = environment("pruned", Record::default()).unwrap();
        panic!("the price is wrong");
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn question_mark() -> Result<()> {
        let _env = start()?;
        Err(Error::msg("the price is wrong"))
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn error_of_a_driver() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let env = start()?;
        let server = env.get::<TcpServer>("server")?;
        server.accept_connection(Duration::ZERO)?;
        Ok(())
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn returned_to_run() -> Result<()> {
        start()?.run(|_| Err(std::io::Error::other("the price is wrong").into()))
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn noted() -> Result<()> {
        let env = start()?;
        env.note_failure();
        Ok(env.stop()?)
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn written_early() -> Result<()> {
        let env = start()?;
        let early = env.write_failure();
        let page = |text: &str| {
            let page = early
                .files
                .iter()
                .find(|file| file.ends_with("report.html"));
            fs::read_to_string(page.unwrap()).unwrap().contains(text)
        };
        assert!(!page("second"));
        let server = env.get::<TcpServer>("server")?;
        let peer = std::net::TcpStream::connect(("localhost", server.port().unwrap()))?;
        server.accept_connection(SOON)?.send_text("second")?;
        assert_eq!(env.write_failure(), early);
        assert!(page("second") && !page("third"));
        server.send_text("third")?;
        drop(peer);
        env.stop()?;
        assert!(page("third"));
        Ok(())
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn panics_after_a_stop() {
        start().unwrap().stop().unwrap();
        panic!("the price is wrong");
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn panics_after_the_scope() {
        let price = {
            let _env = start().unwrap();
            41
        };
        assert_eq!(price, 42);
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn aborts() -> Result<()> {
        start()?.abort();
        Ok(())
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn passes_by_drop() -> Result<()> {
        let _env = start()?;
        Ok(())
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn passes_by_stop() -> Result<()> {
        Ok(start()?.stop()?)
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn passes_after_an_error() -> Result<()> {
        let env = start()?;
        let server = env.get::<TcpServer>("server")?;
        assert!(server.accept_connection(Duration::ZERO).is_err());
        Ok(env.stop()?)
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn other_formats() {
        let formats = [Format::Trace, Format::Json, Format::Mermaid];
        let _env = environment("evidence", Record::default().on_failure(formats)).unwrap();
        panic!("the price is wrong");
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn no_formats() {
        let _env = environment("evidence", Record::default().on_failure([])).unwrap();
        panic!("the price is wrong");
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn odd_name() {
        let name = format!("<b>&\"X {}", "x".repeat(200));
        let _env = environment(&name, Record::default()).unwrap();
        panic!("the price is wrong");
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn fails_twice() {
        for _ in 0..2 {
            let failed = std::panic::catch_unwind(|| {
                let env = start().unwrap();
                let server = env.driver("server").unwrap();
                server.wait(standin::Status::Started, SOON).unwrap();
                panic!("the price is wrong");
            });
            failed.unwrap_err();
        }
    }
}
