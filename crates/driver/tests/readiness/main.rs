//! When a driver counts as started: conditions, events, deadlines.

#![expect(clippy::unwrap_used, reason = "a test program")]

#[path = "../support/mod.rs"]
mod support;
mod this_start;
mod written;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use standin_config::{Config, ConfigErrors, Kind, Layer, Node, OptionValue, Value};
use standin_driver::{Driver, DriverBase, DriverBuilder, DriverConfig, Lifecycle, Readiness};
use standin_entity::{Check, Error, Status};

use support::{Stub, StubBuilder, append};
use test_port::TestPort;

/// Longer than anything here takes: reached only by a hang.
const SOON: Duration = Duration::from_secs(60);
/// After this a line without an end counts, and a log that was not written.
const SETTLED: Duration = Duration::from_millis(50);
const BRIEF: Duration = Duration::from_millis(150);

fn stub(folder: &Path, ready: impl IntoIterator<Item = Readiness>) -> StubBuilder {
    StubBuilder::new()
        .name("app")
        .runpath(folder.join("app"))
        .timeout(SOON)
        .ready(ready)
}

fn built(options: StubBuilder) -> Stub {
    let mut stub = options.build().unwrap();
    stub.log = Some("log".into());
    stub
}

fn report(error: impl Into<Error>) -> String {
    format!("{:?}", error.into())
}

/// Starts a driver that becomes ready by what `act` does meanwhile.
#[track_caller]
fn becomes_ready_by(ready: Readiness, act: impl FnOnce(&Path)) -> Stub {
    let folder = tempfile::tempdir().unwrap();
    becomes_ready_in(folder.path(), ready, act)
}

/// As `becomes_ready_by`, with what is there already.
#[track_caller]
fn becomes_ready_in(folder: &Path, ready: Readiness, act: impl FnOnce(&Path)) -> Stub {
    let app = built(stub(folder, [ready]).path_cleanup(false));
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| app.start());
        while !app.steps.lock().unwrap().contains(&"starting") {
            std::thread::yield_now();
        }
        // It looks at what is there before it waits.
        std::thread::sleep(2 * SETTLED);
        assert_eq!(app.status(), Status::Starting, "it was ready before");
        act(&folder.join("app"));
        starting.join().unwrap().unwrap();
    });
    app
}

#[test]
fn waits_for_a_line_of_its_log() {
    let app = becomes_ready_by(Readiness::log(r"port (?<port>\d+)"), |runpath| {
        append(&runpath.join("log"), b"starting\nport 80");
        append(&runpath.join("log"), b"80\n");
    });
    assert_eq!(app.base().extract("port").as_deref(), Some("8080"));
    assert_eq!(
        app.context().get("extracts").map(Value::to_string),
        Some("{ port = \"8080\" }".into())
    );
}

#[test]
fn waits_for_a_line_of_another_file_across_its_rotation() {
    becomes_ready_by(Readiness::log_in("{{ name }}.txt", "up"), |runpath| {
        append(&runpath.join("app.txt"), b"down\n");
        fs::rename(runpath.join("app.txt"), runpath.join("app.txt.1")).unwrap();
        append(&runpath.join("app.txt"), b"\xff\xfe\nup\n");
    });
}

#[test]
fn waits_for_a_file() {
    becomes_ready_by(Readiness::file("run/app.pid"), |runpath| {
        append(&runpath.join("run/app.pid"), b"1");
    });
}

#[test]
fn waits_for_a_port_that_a_log_tells() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let conditions = [
        Readiness::log(r"listening on (?<port>\d+)"),
        Readiness::port_on("127.0.0.1", "{{ extracts.port }}"),
    ];
    becomes_ready_by(Readiness::all_of(conditions), |runpath| {
        append(
            &runpath.join("log"),
            format!("listening on {port}\n").as_bytes(),
        );
    });
}

#[test]
fn waits_for_a_command_to_succeed() {
    let condition = Readiness::command("sh", ["-c", "echo not yet; test -e flag"]);
    becomes_ready_by(condition.every(Duration::from_millis(5)), |runpath| {
        append(&runpath.join("flag"), b"");
    });
}

#[test]
fn waits_for_a_predicate() {
    let flag = Arc::new(AtomicBool::new(false));
    let asked = flag.clone();
    let condition = Readiness::predicate("the flag", move |_| asked.load(Ordering::SeqCst));
    becomes_ready_by(condition, |_| flag.store(true, Ordering::SeqCst));
}

/// Starts a driver whose condition calls `act` once; what becomes of the start.
fn start_with(act: impl Fn(&dyn Driver) + Send + Sync + 'static) -> (Arc<Stub>, Option<Error>) {
    let folder = tempfile::tempdir().unwrap();
    let is_done = AtomicBool::new(false);
    let condition = Readiness::predicate("the act", move |driver| {
        if !is_done.swap(true, Ordering::SeqCst) {
            act(driver);
        }
        true
    });
    let app = Arc::new(built(stub(folder.path(), [condition])));
    let (tell, told) = channel();
    let starting = app.clone();
    std::thread::spawn(move || {
        let outcome = starting.start();
        drop(folder);
        tell.send(outcome.err().map(Error::from))
    });
    let error = told.recv_timeout(SOON).expect("the start hangs");
    (app, error)
}

#[test]
fn a_condition_may_call_what_its_driver_can_do() {
    let (app, error) = start_with(|driver| driver.stop().unwrap());
    assert!(report(error.unwrap()).contains("was stopped while it started"));
    assert_eq!(app.status(), Status::Stopped);

    let (app, error) = start_with(|driver| drop(driver.abort()));
    assert!(report(error.unwrap()).contains("was aborted"));
    assert!(app.base().resource().is_aborted());

    // It is being asked: it cannot hold yet.
    let (app, error) = start_with(|driver| {
        let seen = driver.extract_values().unwrap();
        assert_eq!(seen, Check::not_yet("its conditions are being checked"));
    });
    assert!(error.is_none(), "{error:?}");
    assert_eq!(app.status(), Status::Started);

    // That of the second start is asked again, and holds.
    let (app, error) = start_with(|driver| driver.restart().unwrap());
    assert!(report(error.unwrap()).contains("was stopped while it started"));
    assert_eq!(app.status(), Status::Started);
}

#[test]
fn one_of_several_will_do() {
    let conditions = [Readiness::file("never"), Readiness::log("up")];
    becomes_ready_by(Readiness::any_of(conditions), |runpath| {
        append(&runpath.join("log"), b"up\n");
    });
}

#[test]
fn a_timeout_says_what_each_saw_last() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = TestPort::claim();
    let port = nobody.number();
    let failed_start = |timeout: Duration| {
        let conditions = [
            Readiness::port_on("127.0.0.1", port),
            Readiness::file("never"),
            Readiness::log("never"),
            Readiness::command("sh", ["-c", "echo 'no such user' >&2; exit 3"])
                .every(Duration::from_millis(5)),
            Readiness::predicate("the moon is full", |_| false),
        ];
        let options = stub(folder.path(), [Readiness::any_of(conditions)]).timeout(timeout);
        report(built(options).start().unwrap_err())
    };
    // On a busy machine the command may not have ended once in time.
    let report = (0..6)
        .map(|power| failed_start(Duration::from_millis(500) * (1 << power)))
        .find(|report| !report.contains("exit 3`: it is still running"))
        .unwrap();
    for part in [
        "none of these holds:".to_owned(),
        format!("port {port} of 127.0.0.1: "),
        "never`: it does not exist".to_owned(),
        "unmatched `log` in".to_owned(),
        "exit code 3, no such user".to_owned(),
        "the moon is full: not yet".to_owned(),
    ] {
        assert!(report.contains(&part), "{part}\n{report}");
    }
    let left = fs::read_dir(folder.path().join("app/scratch"))
        .unwrap()
        .count();
    assert_eq!(left, 0, "the output of the command stayed");
}

#[test]
fn a_command_that_hangs_is_said_to_be_running() {
    let folder = tempfile::tempdir().unwrap();
    let hangs = stub(folder.path(), [Readiness::command("sleep", ["600"])]);
    let app = built(hangs.timeout(Duration::from_millis(20)));
    let report = report(app.start().unwrap_err());
    assert!(
        report.contains("command `sleep 600`: it is still running\n"),
        "{report}"
    );
}

#[test]
fn an_abort_ends_a_command_that_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let app = built(stub(folder.path(), [Readiness::command("sleep", ["600"])]));
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| app.start());
        while app.status() != Status::Starting {
            std::thread::yield_now();
        }
        app.abort().unwrap();
        let since = Instant::now();
        starting.join().unwrap().unwrap_err();
        assert!(since.elapsed() < SOON);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_command_has_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pids");
    let path = file.display();
    // One for each try, in a session of its own; the third try succeeds.
    let script = format!("env -i setsid sleep 600 & echo $! >>{path}; test $(wc -l <{path}) -ge 3");
    let command = Readiness::command("sh", ["-c", &script]).every(Duration::from_millis(5));
    let app = built(stub(folder.path(), [command]));
    app.start().unwrap();
    let pids = fs::read_to_string(&file).unwrap();
    assert_eq!(pids.lines().count(), 3);
    for pid in pids.lines() {
        assert!(!Path::new("/proc").join(pid).exists(), "{pid} is there");
    }
    app.stop().unwrap();
}

#[test]
fn an_interval_without_end_runs_a_command_once() {
    let folder = tempfile::tempdir().unwrap();
    let command = Readiness::command("sh", ["-c", "echo run >>runs; exit 1"]);
    let app = built(stub(folder.path(), [command.every(Duration::MAX)]));
    let runs = || fs::read_to_string(folder.path().join("app/runs")).unwrap_or_default();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| app.start());
        while runs().is_empty() {
            assert!(!starting.is_finished());
            std::thread::yield_now();
        }
        // Long enough for a second one to come.
        std::thread::sleep(4 * BRIEF);
        app.abort().unwrap();
        starting.join().unwrap().unwrap_err();
    });
    assert_eq!(runs(), "run\n");
}

#[test]
fn a_command_that_cannot_be_run_fails_the_start_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let words: [&str; 0] = [];
    let app = built(stub(
        folder.path(),
        [Readiness::command("no-such-program-3141", words)],
    ));
    let report = report(app.start().unwrap_err());
    assert!(
        report.contains("the readiness command `no-such-program-3141` cannot be run"),
        "{report}"
    );
}

#[test]
fn regexps_without_a_log_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut app = built(stub(folder.path(), []).stderr_regexps(["x"]));
    app.log = None;
    let shown = report(app.log_matcher().map(drop).unwrap_err());
    assert!(
        shown.contains("has no log for a log matcher to look in"),
        "{shown}"
    );
    assert!(shown.contains("or do without a log matcher"), "{shown}");
    let report = report(app.start().unwrap_err());
    assert!(
        report.contains("has no standard error for `stderr_regexps` to look in"),
        "{report}"
    );
    assert!(report.contains("code: standin::driver::no_log"), "{report}");
}

/// A driver that knows where its output is only once it has started.
#[derive(Debug)]
struct Late {
    base: DriverBase,
    out: OnceLock<PathBuf>,
}

impl Driver for Late {
    fn base(&self) -> &DriverBase {
        &self.base
    }

    fn starting(&self) -> standin_entity::Result<()> {
        let runpath = self.base.resource().entity().runpath().unwrap_or_default();
        append(&runpath.join("out"), b"ready\n");
        self.out.set(runpath.join("out")).unwrap();
        Ok(())
    }

    fn out_path(&self) -> Option<PathBuf> {
        self.out.get().cloned()
    }
}

#[test]
fn a_driver_may_learn_where_its_log_is_while_it_starts() {
    let options = DriverBuilder::new()
        .name("late")
        .stdout_regexps(["ready"])
        .ready([Readiness::log("ready")]);
    let late = Late {
        base: DriverBase::new("Late", options).unwrap(),
        out: OnceLock::new(),
    };
    late.start().unwrap();
    late.stop().unwrap();
}

#[test]
fn waits_for_as_many_lines_as_are_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let condition = Readiness::all_of([Readiness::log("up")]).times(3);
    let mut app = built(stub(folder.path(), [condition]));
    // What is written of a line counts, and is not counted again when the rest comes.
    app.writes = vec![("log".into(), b"up\ndown\nup".to_vec())];
    let log = folder.path().join("app/log");
    let mut report = String::new();
    // On a busy machine not all may be read in a short time.
    for timeout in ["600ms", "3s", "15s"] {
        app.base().options().set_local("timeout", timeout).unwrap();
        app.steps.lock().unwrap().clear();
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| app.start());
            while !app.steps.lock().unwrap().contains(&"starting") {
                std::thread::yield_now();
            }
            std::thread::sleep(2 * SETTLED);
            append(&log, b" again\n");
            report = self::report(starting.join().unwrap().unwrap_err());
        });
        if !report.contains("(found 1)") {
            break;
        }
    }
    assert!(report.contains("`up`, 3 times (found 2)"), "{report}");
    app.writes = vec![("log".into(), b"up\nup\nup\n".to_vec())];
    app.start().unwrap();
}

#[test]
fn a_timeout_guesses_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    let options = stub(folder.path(), [Readiness::log("also (here|there)")])
        .log_regexps([r"listening on (?<port>\d+)", "nowhere"])
        .timeout(BRIEF);
    let mut app = options.build().unwrap();
    app.out = Some("stdout".into());
    app.err = Some("stderr".into());
    app.writes = vec![
        ("stdout".into(), b"".to_vec()),
        ("stderr".into(), b"listening on 80\nalso here\n".to_vec()),
    ];
    let report = report(app.start().unwrap_err());
    for part in [
        r"hint: `listening on (?<port>\d+)` matches a line of the standard error: `stderr_regexps` looks there",
        "hint: `also (here|there)` matches a line of the standard error",
    ] {
        assert_eq!(report.matches(part).count(), 1, "{part}\n{report}");
    }
    assert!(!report.contains("hint: `nowhere`"), "{report}");
    assert!(!report.contains("hint: nothing is"), "{report}");
    assert_eq!(app.base().extract("port"), None);
    app.writes = vec![("stdout".into(), b"".to_vec())];
    let report = self::report(app.start().unwrap_err());
    let hint = "hint: nothing is in the standard output, although the program runs";
    assert_eq!(report.matches(hint).count(), 1, "{report}");
    app.writes = vec![("stdout".into(), b"here\n".to_vec())];
    let report = self::report(app.start().unwrap_err());
    assert!(!report.contains("hint:"), "{report}");
}

/// A driver whose last words are in no file.
#[derive(Debug)]
struct Journaled(DriverBase, bool);

impl Driver for Journaled {
    fn base(&self) -> &DriverBase {
        &self.0
    }

    fn starting(&self) -> standin_entity::Result<()> {
        Err(Error::msg("no luck"))
    }

    fn err_path(&self) -> Option<PathBuf> {
        Some("Cargo.toml".into())
    }

    fn fetch_error_log(&self) -> standin_entity::Result<Vec<String>> {
        if self.1 {
            return Err(Error::msg("no journal"));
        }
        let mut lines = vec!["from the journal".to_owned()];
        lines.extend(self.last_log_lines()?);
        Ok(lines)
    }
}

#[test]
fn a_driver_adds_its_own_evidence_to_its_errors() {
    for (fails, parts) in [
        (false, ["from the journal", "no luck"]),
        (
            true,
            ["its error log cannot be shown: no journal", "no luck"],
        ),
    ] {
        let options = DriverBuilder::new().name("app");
        let app = Journaled(DriverBase::new("Journaled", options).unwrap(), fails);
        let report = report(app.start().unwrap_err());
        for part in parts
            .into_iter()
            .chain(["Information from log file: Cargo.toml"])
        {
            assert!(report.contains(part), "{part}\n{report}");
        }
    }
}
