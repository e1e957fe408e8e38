//! What is left of a test that fails, and what it says.
//!
//! The tests at the end of this file fail, or pass, in their own ways. The others run each
//! of them in a process of its own, as the test harness does, and look at its output and
//! its files.

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

use standin::environment::Record;
use standin::process::{Process, Signal};
use standin::{Driver, Environment, Error, Lifecycle, Result, RunningEnvironment, TcpServer};

const SOON: Duration = Duration::from_secs(60);
/// Where a test writes its runpath for who runs it.
const NOTE: &str = "STANDIN_TEST_NOTE";

/// How a test ended.
struct Ended {
    passed: bool,
    /// What the harness shows of it.
    output: String,
    runpath: PathBuf,
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

    #[track_caller]
    fn does_not_say(&self, text: &str) {
        assert!(!self.output.contains(text), "{text:?} in\n{}", self.output);
    }

    /// A file below the runpath.
    #[track_caller]
    fn file(&self, name: &str) -> String {
        let path = self.runpath.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn clear(self) {
        if self.runpath.exists() {
            fs::remove_dir_all(&self.runpath).unwrap();
        }
    }
}

/// Runs a test of this file in a process of its own.
fn run(test: &str) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("runpath");
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--show-output"])
        .env(NOTE, &note)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let output =
        String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
    let runpath = fs::read_to_string(&note).unwrap_or_else(|_| panic!("{test}:\n{output}"));
    Ended {
        passed: ran.status.success(),
        output,
        runpath: runpath.into(),
    }
}

#[test]
fn a_test_that_ends_with_a_question_mark_keeps_its_files() {
    let ended = run("subjects::question_mark");
    assert!(!ended.passed);
    assert_eq!(ended.file("app/stderr"), "no database\n");
    ended.says("the price is wrong");
    ended.clear();
}

#[test]
fn an_assertion_that_fails_shows_who_was_how_and_the_last_lines() {
    let ended = run("subjects::assertion");
    assert!(!ended.passed);
    assert_eq!(ended.file("app/stderr"), "no database\n");
    ended.says("standin: environment \"evidence\" when the test panicked:");
    ended.says("process \"app\": STARTED\n");
    ended.says("no database");
    ended.says("process \"dead\": STARTED, has ended with signal 9 (SIGKILL)");
    ended.says("STARTED: \"server\"");
    ended.says(&format!("files: {}\n", ended.runpath.display()));
    assert_eq!(ended.output.matches("standin: environment").count(), 1);
    assert!(!ended.runpath.join("server").exists(), "it has no files");
    ended.clear();
}

#[test]
fn what_is_redacted_is_not_among_the_last_lines() {
    let ended = run("subjects::redacted");
    ended.says("no ********\n");
    ended.does_not_say("no database");
    ended.clear();
}

#[test]
fn a_guard_that_is_dropped_keeps_files_and_is_silent() {
    let ended = run("subjects::dropped");
    assert!(ended.passed, "{}", ended.output);
    ended.does_not_say("standin:");
    assert_eq!(ended.file("app/stderr"), "no database\n");
    ended.clear();
}

#[test]
fn a_stop_says_that_the_test_is_done() {
    let ended = run("subjects::stopped");
    assert!(ended.passed, "{}", ended.output);
    ended.does_not_say("standin:");
    assert!(!ended.runpath.exists());
    assert!(
        !ended.runpath.parent().unwrap().exists(),
        "nothing is left of the run"
    );
}

#[test]
fn a_stop_after_a_failure_that_was_noted_shows_the_same() {
    for test in ["subjects::returned_to_run", "subjects::noted_and_stopped"] {
        let ended = run(test);
        assert_eq!(ended.file("app/stderr"), "no database\n", "{test}");
        ended.says("standin: environment \"evidence\" at its end, after something had gone wrong:");
        ended.says("process \"app\": STARTED, has ended with signal 9 (SIGKILL)");
        ended.says("no database");
        ended.says("STARTED: \"server\"");
        ended.says(&format!("files: {}\n", ended.runpath.display()));
        assert_eq!(ended.output.matches("standin: environment").count(), 1);
        ended.clear();
    }
}

#[test]
fn without_files_nothing_is_left_or_said() {
    for test in ["subjects::without_files", "subjects::with_empty_files"] {
        let ended = run(test);
        assert!(ended.passed, "{}", ended.output);
        ended.does_not_say("standin:");
        assert!(
            !ended.runpath.parent().unwrap().exists(),
            "nothing is left of the run"
        );
    }
}

#[test]
fn without_files_a_panic_shows_the_drivers_only() {
    let ended = run("subjects::panic_without_files");
    assert!(!ended.passed);
    ended
        .says("standin: environment \"evidence\" when the test panicked:\n  STARTED: \"server\"\n");
    ended.does_not_say("files:");
    assert!(
        !ended.runpath.parent().unwrap().exists(),
        "nothing is left of the run"
    );
}

#[test]
fn an_error_of_a_driver_says_that_the_program_under_test_has_died() {
    let ended = run("subjects::peer_dies");
    assert!(!ended.passed);
    // In the error itself, and in the summary.
    let (_, error) = ended.output.split_once("Error: ").unwrap();
    let (error, _) = error.split_once("code: ").unwrap();
    for text in [
        "nobody connected",
        "meanwhile: process \"app\" has ended with signal 9 (SIGKILL)",
        "no database",
        &format!("files: {}", ended.runpath.display()),
    ] {
        assert!(error.contains(text), "no {text:?} in\n{error}");
    }
    ended.says("standin: environment \"evidence\" at its end, after something had gone wrong:");
    ended.says("process \"app\": STARTED, has ended with signal 9 (SIGKILL)");
    ended.clear();
}

#[test]
fn so_does_an_error_of_a_log() {
    let ended = run("subjects::line_does_not_come");
    assert!(!ended.passed);
    let (_, error) = ended.output.split_once("Error: ").unwrap();
    let (error, _) = error.split_once("code: ").unwrap();
    assert!(
        error.contains("no line of") && error.contains("process \"app\" has ended with signal 9"),
        "{error}"
    );
    ended.clear();
}

#[test]
fn an_error_that_nothing_explains_has_no_more_than_before() {
    let ended = run("subjects::times_out");
    assert!(!ended.passed);
    ended.says("nobody connected");
    ended.does_not_say("meanwhile:");
    ended.does_not_say("files:");
    ended.says("STARTED: \"server\"");
}

#[test]
fn a_stop_that_fails_in_a_drop_is_not_silent() {
    let ended = run("subjects::fails_to_stop");
    assert!(ended.passed, "{}", ended.output);
    ended.says("standin: environment \"evidence\" did not stop cleanly:");
    ended.says("it never comes down");
}

#[test]
fn a_driver_on_its_own_keeps_its_files_too() {
    let ended = run("subjects::alone");
    assert!(!ended.passed);
    assert_eq!(ended.file("stderr"), "no database\n");
    ended.clear();
}

mod subjects {
    use super::*;

    /// An environment with a server, and a process that says what is wrong.
    fn start() -> Result<RunningEnvironment> {
        let mut env = Environment::new("evidence");
        env.add(TcpServer::builder("server").build()?)?;
        env.add(app("app").build()?)?;
        noted(env)
    }

    fn app(name: &str) -> standin::process::ProcessBuilder {
        Process::builder(name)
            .binary("sh")
            .args(["-c", "echo no database >&2; echo ready; sleep 1000"])
            .stdout_regexps(["ready"])
            .timeout(SOON)
    }

    fn noted(env: Environment) -> Result<RunningEnvironment> {
        let env = env.start()?;
        note(&env.runpath().unwrap());
        Ok(env)
    }

    fn note(runpath: &Path) {
        if let Some(note) = std::env::var_os(NOTE) {
            fs::write(note, runpath.to_str().unwrap()).unwrap();
        }
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn question_mark() -> Result<()> {
        let _env = start()?;
        Err(Error::msg("the price is wrong"))
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn assertion() {
        let mut env = Environment::new("evidence");
        env.add(TcpServer::builder("server").build().unwrap())
            .unwrap();
        env.add(app("app").build().unwrap()).unwrap();
        let dead = env.add(app("dead").build().unwrap()).unwrap();
        let _env = noted(env).unwrap();
        dead.signal(Signal::Kill).unwrap();
        dead.wait_for_exit(SOON).unwrap();
        assert_eq!(1, 2);
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn redacted() {
        let record = Record::default().redact(["database"]);
        let mut env = Environment::builder("evidence")
            .record(record)
            .build()
            .unwrap();
        env.add(app("app").build().unwrap()).unwrap();
        let _env = noted(env).unwrap();
        panic!("the price is wrong");
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn dropped() -> Result<()> {
        let _env = start()?;
        Ok(())
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn stopped() -> Result<()> {
        let env = start()?;
        env.stop()?;
        Ok(())
    }

    /// An environment in which a program has died without anybody noticing.
    fn with_dead_app() -> Result<RunningEnvironment> {
        let env = start()?;
        let app = env.get::<Process>("app")?;
        app.signal(Signal::Kill)?;
        app.wait_for_exit(SOON)?;
        Ok(env)
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn returned_to_run() -> Result<()> {
        with_dead_app()?.run(|_| Err(Error::msg("the price is wrong")))
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn noted_and_stopped() -> Result<()> {
        let env = with_dead_app()?;
        env.note_failure();
        env.stop()?;
        Ok(())
    }

    fn one_server() -> Result<RunningEnvironment> {
        let mut env = Environment::new("evidence");
        env.add(TcpServer::builder("server").build()?)?;
        noted(env)
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn without_files() -> Result<()> {
        let _env = one_server()?;
        Ok(())
    }

    #[test]
    #[ignore = "another test looks at what it leaves"]
    fn with_empty_files() -> Result<()> {
        let mut env = Environment::new("evidence");
        env.add(
            Process::builder("silent")
                .binary("sleep")
                .args(["1000"])
                .build()?,
        )?;
        let _env = noted(env)?;
        Ok(())
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn panic_without_files() {
        let _env = one_server().unwrap();
        panic!("the price is wrong");
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn peer_dies() -> Result<()> {
        let mut env = Environment::new("evidence");
        let server = env.add(TcpServer::builder("upstream").build()?)?;
        let app = env.add(app("app").build()?)?;
        let _env = noted(env)?;
        app.signal(Signal::Kill)?;
        app.wait_for_exit(SOON)?;
        server.accept_connection(Duration::from_millis(1))?;
        Ok(())
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn line_does_not_come() -> Result<()> {
        let mut env = Environment::new("evidence");
        let app = env.add(app("app").build()?)?;
        let _env = noted(env)?;
        app.signal(Signal::Kill)?;
        app.wait_for_exit(SOON)?;
        app.log_matcher()?.match_line("done", Duration::ZERO)?;
        Ok(())
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn times_out() -> Result<()> {
        let mut env = Environment::new("evidence");
        let server = env.add(TcpServer::builder("server").build()?)?;
        let _env = noted(env)?;
        server.accept_connection(Duration::ZERO)?;
        Ok(())
    }

    #[test]
    #[ignore = "another test looks at what it says"]
    fn fails_to_stop() -> Result<()> {
        let mut env = Environment::new("evidence");
        let stuck = |_: &dyn Driver| Err(Error::msg("it never comes down"));
        env.add(TcpServer::builder("server").pre_stop(stuck).build()?)?;
        let _env = noted(env)?;
        Ok(())
    }

    #[test]
    #[ignore = "it fails: another test looks how"]
    fn alone() -> Result<()> {
        let app = app("app").build()?;
        app.start()?;
        note(&app.base().resource().entity().runpath().unwrap());
        Err(Error::msg("the price is wrong"))
    }
}
