//! When a driver counts as started: conditions, events, deadlines.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

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

const SOON: Duration = Duration::from_secs(20);
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
        .find(|report| !report.contains("it has not run yet"))
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
    let options = stub(folder.path(), [command.every(Duration::MAX)]).timeout(5 * BRIEF);
    let app = built(options);
    app.start().unwrap_err();
    let runs = fs::read_to_string(folder.path().join("app/runs")).unwrap();
    assert_eq!(runs, "run\n");
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

#[test]
fn what_was_extracted_is_forgotten_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let options = stub(folder.path(), []).log_regexps([r"a=(?<a>\d)|b=(?<b>\d)"]);
    let mut app = built(options);
    app.writes = vec![("log".into(), b"a=1\n".to_vec())];
    app.start().unwrap();
    app.stop().unwrap();
    assert_eq!(
        app.base().extract("a").as_deref(),
        Some("1"),
        "it stays readable"
    );
    app.writes = vec![("log".into(), b"b=2\n".to_vec())];
    app.start().unwrap();
    assert_eq!(
        app.base().extracts().into_iter().collect::<Vec<_>>(),
        [("b".into(), "2".into())]
    );
}

#[test]
fn conditions_can_be_written_and_read() {
    let conditions = [
        Readiness::log("up"),
        Readiness::log_in("x.log", "up"),
        Readiness::port(80),
        Readiness::port_on("h", "{{ extracts.port }}"),
        Readiness::port(standin_config::context("server", "{{ port }}")).every(BRIEF),
        Readiness::log("up").times(2),
        Readiness::file("x"),
        Readiness::ended_with(0),
        Readiness::ended_with(-15),
        Readiness::command("x", ["-y"]),
        Readiness::any_of([
            Readiness::all_of([Readiness::file("x")]),
            Readiness::port(1),
        ]),
    ];
    for condition in conditions {
        let value = condition.to_value();
        Readiness::kind().check(&value).unwrap();
        let read = Readiness::from_value(&value).unwrap();
        assert_eq!(read.to_value(), value, "{condition}");
    }
}

#[test]
fn what_is_no_condition_is_refused() {
    for text in [
        "ready = [1]",
        "ready = [{ file = \"x\", colour = 1 }]",
        "ready = [{ command = [] }]",
        "ready = [{ log = \"x\", times = 0 }]",
        "ready = [{ file = \"x\", times = 1 }]",
        "ready = [{ ended_with = \"0\" }]",
        "ready = [{ ended_with = 0, times = 1 }]",
        "ready = [{ log = \"(\" }]",
        "ready = [{ any = [{ nope = 1 }] }]",
    ] {
        let table: toml::Table = toml::from_str(text).unwrap();
        let value: Value =
            serde_json::from_value(serde_json::to_value(&table["ready"]).unwrap()).unwrap();
        assert!(Vec::<Readiness>::from_value(&value).is_err(), "{text}");
    }
    for condition in [Readiness::log("("), Readiness::log("x").times(0)] {
        let options = StubBuilder::new().name("app").ready([condition]);
        assert!(Node::new("app", options).is_err());
    }
    assert!(!matches!(Readiness::kind(), Kind::Any));
}

#[test]
fn only_lines_of_this_start_make_ready() {
    let pattern = r"ready, port (?<port>\d+)";
    let old = b"ready, port 1111\n";
    // Appended to, truncated and written again with more, less, or the same, and rotated.
    let acts: [&dyn Fn(&Path); 5] = [
        &|log| append(log, b"ready, port 2222\n"),
        &|log| fs::write(log, "not yet\nnot yet\nready, port 2222\n").unwrap(),
        &|log| fs::write(log, "ready, port 2\n").unwrap(),
        &|log| fs::write(log, old).unwrap(),
        &|log| {
            fs::rename(log, log.with_extension("1")).unwrap();
            append(log, old);
        },
    ];
    for (act, port) in acts.iter().zip(["2222", "2222", "2", "1111", "1111"]) {
        for is_option in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("app/log");
            append(&log, old);
            let condition = if is_option {
                Readiness::log(pattern)
            } else {
                Readiness::log_in("{{ runpath }}/log", pattern)
            };
            let app = becomes_ready_in(folder.path(), condition, |_| act(&log));
            assert_eq!(app.base().extract("port").as_deref(), Some(port));
            // Asked later it is still about this start.
            let until = Instant::now() + SOON;
            while app.extract_values().unwrap() != Check::Ready {
                assert!(Instant::now() < until, "it is not about this start");
                std::thread::sleep(SETTLED);
            }
            assert_eq!(app.base().extract("port").as_deref(), Some(port));
        }
    }
}

#[test]
fn regexps_are_not_met_by_an_earlier_start() {
    let folder = tempfile::tempdir().unwrap();
    let options = stub(folder.path(), []).log_regexps([r"pid (?<pid>\d)"]);
    let mut app = built(options.path_cleanup(false));
    app.writes = vec![("log".into(), b"pid 1\n".to_vec())];
    app.start().unwrap();
    app.stop().unwrap();
    app.writes.clear();
    app.base().options().set_local("timeout", "200ms").unwrap();
    let report = report(app.start().unwrap_err());
    assert!(report.contains("unmatched log_regexps"), "{report}");
    assert_eq!(app.base().extract("pid"), None);
    app.base().options().set_local("timeout", "20s").unwrap();
    app.writes = vec![("log".into(), b"pid 2\n".to_vec())];
    app.start().unwrap();
    assert_eq!(app.base().extract("pid").as_deref(), Some("2"));
}

#[test]
fn only_a_file_of_this_start_makes_ready() {
    let acts: [&dyn Fn(&Path); 2] = [&|file| append(file, b"2"), &|file| {
        fs::remove_file(file).unwrap();
        append(file, b"1");
    }];
    for act in acts {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app/app.pid");
        append(&file, b"1");
        becomes_ready_in(folder.path(), Readiness::file("app.pid"), |_| act(&file));
    }
    let folder = tempfile::tempdir().unwrap();
    append(&folder.path().join("app/app.pid"), b"1");
    let options = stub(folder.path(), [Readiness::file("app.pid")]).timeout(BRIEF);
    let report = report(built(options.path_cleanup(false)).start().unwrap_err());
    assert!(report.contains("it existed before the start"), "{report}");
}

#[test]
fn a_port_of_somebody_else_does_not_make_ready() {
    let folder = tempfile::tempdir().unwrap();
    let claim = TestPort::claim();
    let port = claim.number();
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let condition = Readiness::any_of([
        Readiness::file("x"),
        Readiness::port_on("{{ '127.0.0.1' }}", port),
    ]);
    let app = built(stub(folder.path(), [condition]));
    let error = app.start().unwrap_err();
    assert!(app.steps.lock().unwrap().is_empty(), "it was started");
    let report = report(error);
    for part in [
        format!("port {port} of 127.0.0.1, which already accepted connections before the start"),
        "code: standin::driver::port_in_use".to_owned(),
    ] {
        assert!(report.contains(&part), "{report}");
    }
    drop(stranger);
    let report = self::report(
        built(stub(folder.path(), [Readiness::port_on("127.0.0.1", port)]).timeout(BRIEF))
            .start()
            .unwrap_err(),
    );
    assert!(report.contains("nothing listens there"), "{report}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_port_is_looked_at_without_a_connection() {
    let listener = Arc::new(std::sync::Mutex::new(None));
    let claim = TestPort::claim();
    let port = claim.number();
    let bound = listener.clone();
    becomes_ready_by(Readiness::port_on("127.0.0.1", port), move |_| {
        *bound.lock().unwrap() = Some(TcpListener::bind(("127.0.0.1", port)).unwrap());
    });
    let listener = listener.lock().unwrap().take().unwrap();
    listener.set_nonblocking(true).unwrap();
    let error = listener.accept().unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::WouldBlock,
        "somebody connected"
    );
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
    let mut app = built(stub(folder.path(), [condition]).timeout(4 * BRIEF));
    // What is written of a line counts, and is not counted again when the rest comes.
    app.writes = vec![("log".into(), b"up\ndown\nup".to_vec())];
    let log = folder.path().join("app/log");
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| app.start());
        while !app.steps.lock().unwrap().contains(&"starting") {
            std::thread::yield_now();
        }
        std::thread::sleep(2 * SETTLED);
        append(&log, b" again\n");
        let report = report(starting.join().unwrap().unwrap_err());
        assert!(report.contains("`up`, 3 times (found 2)"), "{report}");
    });
    app.writes = vec![("log".into(), b"up\nup\nup\n".to_vec())];
    app.start().unwrap();
}

#[test]
fn conditions_within_conditions_have_a_limit() {
    let nested = |depth: usize| {
        (0..depth).fold(Readiness::file("x"), |inner, level| {
            let list = [Readiness::file("y"), inner];
            if level % 2 == 0 {
                Readiness::all_of(list)
            } else {
                Readiness::any_of(list)
            }
        })
    };
    let build = |depth| {
        StubBuilder::new()
            .name("app")
            .ready([nested(depth)])
            .build()
    };
    build(32).unwrap();
    for depth in [33, 100_000] {
        let report = report(build(depth).unwrap_err());
        assert!(
            report.contains("conditions that are within at most 32 others"),
            "{report}"
        );
    }
}

/// Conditions 32 deep, as a file has them, with this one in the middle.
fn deep(innermost: Value) -> Result<Node, ConfigErrors> {
    let ready = (0..32).fold(innermost, |inner, level| {
        let list = vec![Value::from_iter([("file", "y")]), inner];
        Value::from_iter([(["all", "any"][level % 2], list)])
    });
    let values = [
        ("name", Value::from("app")),
        ("ready", Value::from([ready])),
    ];
    Node::new(
        "app",
        Layer::read(DriverConfig::description(), "app", values)?,
    )
}

#[test]
fn deep_conditions_are_read_and_their_mistakes_found() {
    deep(Value::from_iter([("file", "x")])).unwrap();
    for (key, value, part) in [
        ("file", "{{ x", "the template does not parse"),
        ("log", "(", "is not a regular expression"),
        ("fiel", "x", "did you mean \"file\"?"),
    ] {
        let report = report(deep(Value::from_iter([(key, value)])).unwrap_err());
        assert!(report.contains(part), "{report}");
    }
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
