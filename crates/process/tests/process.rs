//! Real processes: what a start, a stop and an end do to them.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test program")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use standin_config::{context, verbatim};
use standin_driver::{Driver, Lifecycle, Readiness};
use standin_entity::{Error, Status};
use standin_process::{Exit, Listen, Process, ProcessBuilder, Signal, Stdin};

const SOON: Duration = Duration::from_secs(20);

/// A shell that runs `script`, with its files in `folder`.
fn shell(folder: &Path, script: &str) -> ProcessBuilder {
    Process::builder("app")
        .runpath(folder.join("app"))
        .timeout(SOON)
        .binary("sh")
        .args(["-c", script])
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Whether a process of that number is there and no zombie.
fn is_there(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('Z')
    })
}

#[track_caller]
fn eventually(what: impl Fn() -> bool) {
    let until = Instant::now() + SOON;
    while !what() {
        assert!(Instant::now() < until, "it did not come to pass");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn report(error: impl Into<Error>) -> String {
    format!("{:?}", error.into())
}

#[test]
fn is_send_and_sync() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<Process>();
}

/// Fails the test instead of hanging with it.
#[track_caller]
fn within<T: Send>(limit: Duration, what: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let (done, ended) = std::sync::mpsc::channel();
        let running = scope.spawn(move || {
            let result = what();
            let _ = done.send(());
            result
        });
        if ended.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            // The scope would wait for it.
            eprintln!("it hangs: not done after {limit:?}");
            std::process::abort();
        }
        running.join().unwrap()
    })
}

#[test]
fn one_that_never_ran_cannot_be_waited_for() {
    let folder = folder();
    let built = shell(folder.path(), "exit 0").build().unwrap();
    let failed = shell(folder.path(), "")
        .binary("no-such-program-3141")
        .build()
        .unwrap();
    failed.start().unwrap_err();
    for app in [built, failed] {
        for timeout in [Some(Duration::ZERO), Some(SOON), None] {
            let error = within(SOON, || app.wait_for_exit(timeout)).unwrap_err();
            assert!(report(error).contains("process \"app\" is not running"));
        }
        within(SOON, || app.stop()).unwrap();
    }
}

#[test]
fn is_ready_when_its_log_says_so() {
    let folder = folder();
    let script = "echo starting; echo 'listening on 4242' >&2; echo ready; read line";
    let app = shell(folder.path(), script)
        .stdout_regexps(["ready"])
        .stderr_regexps([r"listening on (?<port>\d+)"])
        .build()
        .unwrap();
    app.start().unwrap();
    assert_eq!(app.status(), Status::Started);
    assert_eq!(app.base().extract("port").as_deref(), Some("4242"));
    assert!(app.is_alive());
    let context = app.context();
    assert_eq!(context.text("pid"), app.pid().map(|pid| pid.to_string()));
    assert!(context.get("retcode").is_none());
    app.stop().unwrap();
    assert_eq!(app.retcode(), Some(-15));
    assert_eq!(app.pid(), None);
    assert_eq!(app.orphans(), [""; 0]);
}

#[test]
fn an_early_end_fails_the_start_at_once_with_the_output() {
    let folder = folder();
    let app = shell(folder.path(), "echo cannot bind >&2; exit 3")
        .log_regexps(["never"])
        .build()
        .unwrap();
    let since = Instant::now();
    let report = report(app.start().unwrap_err());
    assert!(since.elapsed() < SOON / 2, "it waited for its timeout");
    assert!(
        report.contains("before it was ready, with exit code 3"),
        "{report}"
    );
    assert!(report.contains("cannot bind"), "{report}");
    assert_eq!(app.retcode(), Some(3));
    assert_eq!(app.status(), Status::Stopped);
}

#[test]
fn the_last_words_of_a_process_count() {
    let folder = folder();
    let app = shell(folder.path(), "printf 'done, port=1'")
        .log_regexps([r"done, port=(?<port>\d)"])
        .build()
        .unwrap();
    app.start().unwrap();
    assert_eq!(app.base().extract("port").as_deref(), Some("1"));
    app.wait_for_exit(SOON).unwrap();
    assert!(!app.is_alive());
    app.stop().unwrap();
    assert_eq!(app.retcode(), Some(0));
}

#[test]
fn a_missing_program_is_named_with_where_it_was_looked_for() {
    let folder = folder();
    let app = shell(folder.path(), "")
        .binary("no-such-program-3141")
        .build()
        .unwrap();
    let report = report(app.start().unwrap_err());
    assert!(
        report.contains("there is no program `no-such-program-3141` in PATH (/"),
        "{report}"
    );
    let app = shell(folder.path(), "")
        .binary("./no-such-program")
        .build()
        .unwrap();
    let report = self::report(app.start().unwrap_err());
    assert!(
        report.contains("there is no program `./no-such-program`"),
        "{report}"
    );
}

#[test]
fn what_cannot_be_run_says_why() {
    let folder = folder();
    let file = folder.path().join("script");
    fs::write(&file, "#!/bin/sh\n").unwrap();
    for (binary, reason) in [
        (&file, "`chmod +x` it"),
        (&folder.path().to_owned(), "it is a directory"),
    ] {
        let app = shell(folder.path(), "")
            .binary(binary.display().to_string())
            .build()
            .unwrap();
        let report = report(app.start().unwrap_err());
        assert!(report.contains(reason), "{report}");
        assert!(
            report.contains("code: standin::process::not_executable"),
            "{report}"
        );
    }
    let app = shell(folder.path(), "")
        .working_dir("/no/such/place")
        .build()
        .unwrap();
    let report = report(app.start().unwrap_err());
    assert!(
        report.contains("working directory `/no/such/place`"),
        "{report}"
    );
}

#[test]
fn a_missing_interpreter_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    for (number, (text, interpreter, help)) in [
        (
            "#!/no/such/shell -e\n",
            "\"/no/such/shell\"",
            "correct the first line",
        ),
        ("#! /bin/sh\r\necho\r\n", "\"/bin/sh\\r\"", "Unix line ends"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = folder.path().join(number.to_string());
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        let app = shell(folder.path(), "")
            .binary(file.display().to_string())
            .build()
            .unwrap();
        let report = report(app.start().unwrap_err());
        let expected = format!("cannot be run: {interpreter}, which it needs, is not there");
        assert!(report.contains(&expected), "{report}");
        assert!(report.contains(help), "{report}");
    }
}

#[test]
fn variables_that_cannot_be_are_refused_with_their_names() {
    let folder = folder();
    for (name, key) in [("", "\"\""), ("A=B", "\"A=B\""), ("A\0B", "\"A\\u0000B\"")] {
        let built = shell(folder.path(), "").env([(name, "c")]).build();
        let report = report(built.unwrap_err());
        let key = format!("option \"env\" has the key {key}, but");
        assert!(report.contains(&key), "{report}");
    }
    let built = shell(folder.path(), "").env([("GIVEN", "a\0b")]).build();
    let report = report(built.unwrap_err());
    assert!(
        report.contains("option \"env.GIVEN\" is \"a\\u0000b\", but"),
        "{report}"
    );
}

#[test]
fn two_ports_of_one_name_are_refused() {
    let folder = folder();
    let built = shell(folder.path(), "")
        .listen([
            Listen::reserve("a"),
            Listen::hand_over("b"),
            Listen::reserve("a"),
        ])
        .build();
    let report = report(built.unwrap_err());
    assert!(
        report.contains("option \"listen[2].name\" is \"a\", but another one has"),
        "{report}"
    );
}

#[test]
fn words_and_variables_are_templates_over_its_own_context() {
    let folder = folder();
    let app = Process::builder("app")
        .runpath(folder.path().join("app"))
        .binary("sh")
        .args([
            "-c",
            "echo \"$1 $GREETING $(pwd)\"; read line",
            "sh",
            "{{ name }}",
        ])
        .arg("unused")
        .env_var("GREETING", "bye")
        .env_var("GREETING", "hello {{ uid }}")
        .log_regexps([r"(?<all>.*)"])
        .build()
        .unwrap();
    app.start().unwrap();
    let runpath = fs::canonicalize(folder.path().join("app")).unwrap();
    let expected = format!("app hello app {}", runpath.display());
    assert_eq!(app.base().extract("all"), Some(expected));
    app.stop().unwrap();
}

#[test]
fn a_context_value_without_an_environment_fails_the_start() {
    let folder = folder();
    let app = shell(folder.path(), "")
        .env([("PORT", context("server", "{{ port }}"))])
        .build()
        .unwrap();
    let report = report(app.start().unwrap_err());
    assert!(report.contains("but is in no environment"), "{report}");
}

#[test]
fn has_only_its_own_variables_when_it_inherits_none() {
    let folder = folder();
    let app = shell(folder.path(), "env; read line")
        .binary("/bin/sh")
        .inherit_env(false)
        .env([("ONLY", "this")])
        .log_regexps(["ONLY=this"])
        .build()
        .unwrap();
    app.start().unwrap();
    let out = fs::read_to_string(app.out_path().unwrap()).unwrap();
    // The shell adds its directory and the like.
    let own = |line: &str| {
        ["PWD=", "OLDPWD=", "SHLVL=", "_="]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let left: Vec<_> = out.lines().filter(|line| !own(line)).collect();
    assert_eq!(left, ["ONLY=this"]);
    app.stop().unwrap();
}

#[test]
fn a_shell_reads_the_command_line() {
    let folder = folder();
    let app = Process::builder("app")
        .runpath(folder.path().join("app"))
        .shell(true)
        .binary("echo")
        .args(["a", "&&", "echo", "b;", "sleep", "60"])
        .log_regexps(["a", "b"])
        .build()
        .unwrap();
    app.start().unwrap();
    assert_eq!(
        app.command_line().as_deref(),
        Some("echo a && echo b; sleep 60")
    );
    let since = Instant::now();
    app.stop().unwrap();
    assert!(
        since.elapsed() < Duration::from_secs(5),
        "the signal did not reach `sleep`"
    );
}

#[test]
fn reads_what_it_is_given_as_standard_input() {
    let folder = folder();
    let file = folder.path().join("input");
    fs::write(&file, "from a file\n").unwrap();
    for (stdin, expected) in [
        (Stdin::Text("{{ name }}, ${#x}\n".into()), "app, ${#x}\n"),
        (Stdin::Text(verbatim("{{ name }}\n")), "{{ name }}\n"),
        (Stdin::File(file), "from a file\n"),
        (Stdin::Null, ""),
    ] {
        let app = shell(folder.path(), "exec cat")
            .stdin(stdin)
            .build()
            .unwrap();
        app.start().unwrap();
        assert_eq!(app.wait_for_exit(SOON).unwrap(), Exit::Code(0));
        assert_eq!(
            fs::read_to_string(app.out_path().unwrap()).unwrap(),
            expected
        );
        app.stop().unwrap();
    }
}

#[test]
fn one_that_ignores_the_signal_is_killed_after_its_time() {
    let folder = folder();
    let app = shell(
        folder.path(),
        "trap '' TERM; echo deaf; while :; do sleep 1; done",
    )
    .log_regexps(["deaf"])
    .stop_timeout(Duration::from_millis(100))
    .expected_retcode(0)
    .build()
    .unwrap();
    app.start().unwrap();
    let report = report(app.stop().unwrap_err());
    assert_eq!(app.retcode(), Some(-9));
    assert!(
        report.contains("exit code 0, but ended with signal 9 (SIGKILL)"),
        "{report}"
    );
    assert!(
        report.contains("it ignored `stop_signal` and was killed"),
        "{report}"
    );
}

/// One that has to be killed.
fn deaf(folder: &Path) -> ProcessBuilder {
    shell(folder, "trap '' TERM; echo deaf; while :; do sleep 1; done")
        .log_regexps(["deaf"])
        .stop_timeout(Duration::from_millis(100))
}

#[test]
fn that_it_had_to_be_killed_is_a_note_and_can_be_a_failure() {
    let folder = folder();
    let app = deaf(folder.path()).build().unwrap();
    app.start().unwrap();
    let note = format!("process {} had to be killed", app.pid().unwrap());
    app.stop().unwrap();
    let report = app.base().resource().report();
    assert_eq!(report.notes, [&*note]);
    assert!(report.passed());
    assert!(
        report.to_string().contains(&format!("  note: {note}")),
        "{report}"
    );

    let app = deaf(folder.path()).must_stop_cleanly(true).build().unwrap();
    app.start().unwrap();
    let pid = app.pid().unwrap();
    let text = self::report(app.stop().unwrap_err());
    assert!(
        text.contains(&format!(
            "did not stop cleanly: process {pid} had to be killed"
        )),
        "{text}"
    );
    assert!(!app.base().resource().report().passed());

    let clean = shell(folder.path(), "echo up; exec sleep 600")
        .must_stop_cleanly(true)
        .log_regexps(["up"]);
    let clean = clean.build().unwrap();
    clean.start().unwrap();
    clean.stop().unwrap();
    assert_eq!(clean.base().resource().report().notes, [""; 0]);
}

#[test]
#[cfg(target_os = "linux")]
fn what_it_leaves_and_has_to_be_killed_is_noted_as_well() {
    let folder = folder();
    let script = "setsid sh -c 'trap \"\" TERM; echo up $$; while :; do sleep 1; done' & read line";
    let app = shell(folder.path(), script)
        .log_regexps([r"up (?<pid>\d+)"])
        .stop_timeout(Duration::from_millis(200))
        .must_stop_cleanly(true)
        .build()
        .unwrap();
    app.start().unwrap();
    let pid = app.base().extract("pid").unwrap();
    let text = report(app.stop().unwrap_err());
    assert!(text.contains(&format!("sh (pid {pid})")), "{text}");
    assert!(!is_there(&pid));
}

#[test]
#[cfg(target_os = "linux")]
fn what_is_started_by_what_it_leaves_is_asked_to_end_as_well() {
    let folder = folder();
    // At its end it starts another one, which leaves as well.
    let last = "trap 'exit' TERM; while :; do sleep 0.05; done";
    let first =
        "trap 'setsid sh -c \"$LAST\" & exit' TERM; echo first; while :; do sleep 0.05; done";
    let app = shell(folder.path(), "setsid sh -c \"$FIRST\" & read line")
        .env([("FIRST", first), ("LAST", last)])
        .log_regexps(["first"])
        .build()
        .unwrap();
    app.start().unwrap();
    app.stop().unwrap();
    assert!(app.orphans().len() >= 2, "{:?}", app.orphans());
}

#[test]
#[cfg(target_os = "linux")]
fn a_daemon_may_become_ready_after_its_first_process_has_ended() {
    let folder = folder();
    let script = "(sleep 0.3; touch ready; exec sleep 600) & exit 0";
    let app = shell(folder.path(), script)
        .ready([Readiness::file("ready")])
        .build()
        .unwrap();
    app.start().unwrap();
    assert!(app.is_alive());
    assert_eq!(app.retcode(), Some(0));
    app.stop().unwrap();
    assert!(!app.is_alive());
    // What has made the file may be on its way out just then, too.
    assert!(!app.orphans().is_empty());
}

#[test]
fn an_end_before_it_is_ready_fails_the_start_also_with_exit_code_0() {
    let folder = folder();
    for script in ["exit 0", "sleep 0.1 & exit 0", "sleep 600 & exit 1"] {
        let app = shell(folder.path(), script)
            .ready([Readiness::file("ready")])
            .build()
            .unwrap();
        let since = Instant::now();
        let report = report(app.start().unwrap_err());
        assert!(since.elapsed() < SOON / 2, "it waited for its timeout");
        assert!(
            report.contains("before it was ready, with exit code"),
            "{report}"
        );
    }
}

#[test]
fn one_that_has_ended_when_its_port_answers_is_not_ready() {
    let folder = folder();
    let claim = test_port::TestPort::claim();
    let port = claim.number();
    let go = folder.path().join("go");
    let script = format!("until test -e '{}'; do sleep 0.01; done", go.display());
    let listener = OnceLock::new();
    // The process ends between the last look at it and the one at its port, where by then
    // somebody else listens.
    let ends = Readiness::predicate("it has ended", move |app: &dyn Driver| {
        listener.get_or_init(|| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap());
        fs::write(&go, "").unwrap();
        while app.is_alive() {
            std::thread::yield_now();
        }
        true
    });
    let app = shell(folder.path(), &script)
        .ready([ends, Readiness::port_on("127.0.0.1", port)])
        .build()
        .unwrap();
    let report = report(app.start().unwrap_err());
    assert!(
        report.contains("before it was ready, with exit code 0"),
        "{report}"
    );
}

#[test]
fn a_fifo_as_standard_input_keeps_nobody_waiting() {
    let folder = folder();
    let fifo = folder.path().join("fifo");
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, 0o600.into(), 0).unwrap();
    let reader = |ready: &str| {
        Process::builder("app")
            .runpath(folder.path().join("app"))
            .timeout(SOON)
            .binary("sed")
            .args(["s/^/got /"])
            .stdin(Stdin::File(fifo.clone()))
            .log_regexps([ready])
    };
    // Nobody writes: the start ends at its timeout, or with an abort.
    let app = reader("never")
        .timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    within(SOON, || app.start()).unwrap_err();
    let app = reader("never").build().unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| app.start());
        eventually(|| app.pid().is_some());
        app.abort().unwrap();
        starting.join().unwrap().unwrap_err();
    });
    // Somebody does: it reads that, and then the end.
    let app = reader("got this").build().unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| app.start());
        let mut writer = fs::OpenOptions::new().write(true).open(&fifo).unwrap();
        std::io::Write::write_all(&mut writer, b"this\n").unwrap();
        drop(writer);
        starting.join().unwrap().unwrap();
    });
    assert_eq!(app.wait_for_exit(SOON).unwrap(), Exit::Code(0));
    app.stop().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn processes_are_not_connected_by_what_the_test_has_open() {
    let folder = folder();
    let file = fs::File::create(folder.path().join("lock")).unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let app = shell(folder.path(), "echo up; exec sleep 600").log_regexps(["up"]);
    let app = app.build().unwrap();
    app.start().unwrap();
    assert_eq!(app.connections(), []);
    app.stop().unwrap();
}

#[test]
fn a_write_has_the_time_of_the_driver() {
    let folder = folder();
    let app = shell(folder.path(), "echo up; exec sleep 600")
        .log_regexps(["up"])
        .timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    app.start().unwrap();
    let report = report(within(SOON, || app.write_stdin(vec![b'x'; 1 << 20])).unwrap_err());
    assert!(
        report.contains("cannot write to its standard input"),
        "{report}"
    );
    assert!(report.contains("of 1048576 bytes were written"), "{report}");
    app.stop().unwrap();
}

#[test]
fn a_close_does_not_wait_for_a_write() {
    let folder = folder();
    let app = shell(folder.path(), "echo up; exec sleep 600").log_regexps(["up"]);
    let app = app.build().unwrap();
    app.start().unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| app.write_stdin(vec![b'x'; 1 << 20]));
        std::thread::sleep(Duration::from_millis(20));
        within(SOON, || app.close_stdin());
        writing.join().unwrap().unwrap_err();
    });
    app.stop().unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn an_abort_and_a_drop_end_what_has_got_away() {
    let folder = folder();
    for by_abort in [true, false] {
        let script = "(env -i setsid sh -c 'echo child $$; exec sleep 600' &) & read line";
        let app = shell(folder.path(), script)
            .log_regexps([r"child (?<pid>\d+)"])
            .build()
            .unwrap();
        app.start().unwrap();
        let child = app.base().extract("pid").unwrap();
        if by_abort {
            app.abort().unwrap();
        } else {
            drop(app);
        }
        assert!(!is_there(&child));
    }
}

#[test]
fn ends_with_the_signal_that_it_is_told() {
    let folder = folder();
    let app = shell(
        folder.path(),
        "trap 'exit 7' INT; echo up; while :; do sleep 0.05; done",
    )
    .log_regexps(["up"])
    .stop_signal(Signal::Interrupt)
    .expected_retcode(7)
    .build()
    .unwrap();
    app.start().unwrap();
    app.stop().unwrap();
    assert_eq!(app.exit(), Some(Exit::Code(7)));
}

#[test]
fn what_it_leaves_behind_is_reported_and_ended() {
    let folder = folder();
    let app = shell(folder.path(), "sleep 600 & echo child $!; read line")
        .log_regexps([r"child (?<pid>\d+)"])
        .build()
        .unwrap();
    app.start().unwrap();
    let child = app.base().extract("pid").unwrap();
    assert!(is_there(&child));
    app.stop().unwrap();
    assert!(!is_there(&child));
    // Its name is `sleep`, or that of the shell a moment before.
    let orphans = app.orphans();
    assert_eq!(orphans.len(), 1);
    assert!(
        orphans[0].ends_with(&format!(" (pid {child})")),
        "{orphans:?}"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn what_left_its_group_and_lost_its_parent_is_ended_too() {
    let folder = folder();
    let script = "(setsid sh -c 'echo child $$; exec sleep 600' &) ; read line";
    let app = shell(folder.path(), script)
        .log_regexps([r"child (?<pid>\d+)"])
        .build()
        .unwrap();
    app.start().unwrap();
    let child = app.base().extract("pid").unwrap();
    app.stop().unwrap();
    assert!(!is_there(&child));
    assert_eq!(app.orphans().len(), 1);
}

#[test]
fn dropping_it_ends_it_and_its_children() {
    let folder = folder();
    let script = "trap '' TERM; (trap '' TERM; sleep 600) & echo child $!; wait";
    let app = shell(folder.path(), script)
        .log_regexps([r"child (?<pid>\d+)"])
        .build()
        .unwrap();
    app.start().unwrap();
    let pids = [
        app.pid().unwrap().to_string(),
        app.base().extract("pid").unwrap(),
    ];
    drop(app);
    eventually(|| pids.iter().all(|pid| !is_there(pid)));
}

#[test]
fn many_are_started_and_ended_at_once() {
    let folder = folder();
    let folder = folder.path();
    let pids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12)
            .map(|index| {
                scope.spawn(move || {
                    let app = Process::builder(format!("app-{index}"))
                        .runpath(folder.join(index.to_string()))
                        .binary("sh")
                        .args(["-c", "sleep 600 & echo child $!; exec sleep 600"])
                        .log_regexps([r"child (?<pid>\d+)"])
                        .build()
                        .unwrap();
                    app.start().unwrap();
                    let pids = [
                        app.pid().unwrap().to_string(),
                        app.base().extract("pid").unwrap(),
                    ];
                    match index % 3 {
                        0 => app.stop().unwrap(),
                        1 => app.abort().unwrap(),
                        _ => drop(app),
                    }
                    pids
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(pids.len(), 24);
    eventually(|| !pids.iter().any(|pid| is_there(pid)));
}

#[test]
fn a_write_that_nobody_reads_ends_with_the_process() {
    let folder = folder();
    let app = shell(folder.path(), "echo up; exec sleep 600")
        .log_regexps(["up"])
        .build()
        .unwrap();
    app.start().unwrap();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| app.write_stdin(vec![b'x'; 1 << 20]));
        app.stop().unwrap();
        writing.join().unwrap().unwrap_err();
    });
    assert!(matches!(
        app.write_stdin("x"),
        Err(standin_process::ProcessError::NotRunning { .. })
    ));
}

#[test]
fn an_abort_ends_a_start_that_waits() {
    let folder = folder();
    let app = shell(folder.path(), "trap '' TERM; echo up; sleep 600")
        .log_regexps(["never"])
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| app.start());
        eventually(|| app.pid().is_some());
        let pid = app.pid().unwrap().to_string();
        app.abort().unwrap();
        starting.join().unwrap().unwrap_err();
        assert!(!is_there(&pid));
    });
}

#[test]
fn a_timeout_shows_what_is_missing_and_what_was_found() {
    let folder = folder();
    let script = "echo 'port=80'; echo 'now listening'; exec sleep 600";
    let app = shell(folder.path(), script)
        .log_regexps([r"port=(?<port>\d+)", "listening"])
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let report = report(app.start().unwrap_err());
    for part in [
        "unmatched log_regexps in",
        "`listening` (a match begins at the beginning of a line; put `.*` in front to find it within \"now listening\")",
        "extracted: port=\"80\"",
        "Information from log file:",
    ] {
        assert!(report.contains(part), "{report}");
    }
    assert_eq!(app.status(), Status::Stopped);
    assert_eq!(app.pid(), None);
}

#[test]
fn can_be_paused_and_started_again() {
    let folder = folder();
    let app = shell(folder.path(), "echo up; exec cat")
        .log_regexps(["up"])
        .build()
        .unwrap();
    app.start().unwrap();
    let first = app.pid();
    app.pause().unwrap();
    app.write_stdin("x\n").unwrap();
    app.resume().unwrap();
    let log = app.log_matcher().unwrap();
    log.match_line("x", SOON).unwrap();
    app.pause().unwrap();
    app.stop().unwrap();
    app.start().unwrap();
    assert_ne!(app.pid(), first);
    app.stop().unwrap();
}

#[test]
fn its_config_is_installed_below_etc() {
    let folder = folder();
    let source = folder.path().join("app.conf");
    fs::write(&source, "dir {{ runpath }};\n").unwrap();
    let app = shell(folder.path(), "cat etc/app.conf; read line")
        .install_files([source])
        .log_regexps(["dir .*/app;"])
        .build()
        .unwrap();
    app.start().unwrap();
    app.stop().unwrap();
}

#[test]
#[cfg(unix)]
fn a_bound_socket_is_handed_over() {
    use std::io::Read;
    use std::net::TcpStream;
    let folder = folder();
    let script = r#"
import os, socket
assert int(os.environ["LISTEN_PID"]) == os.getpid()
assert os.environ["LISTEN_FDNAMES"] == "http:admin"
for fd in range(3, 3 + int(os.environ["LISTEN_FDS"])):
    connection, _ = socket.socket(fileno=fd).accept()
    connection.sendall(b"%d" % fd)
    connection.close()
"#;
    let python = standin_child::Command::new("python3")
        .arg("--version")
        .spawn();
    let Ok(_) = python else {
        eprintln!("without python3 there is nobody to hand it over to");
        return;
    };
    let conf = folder.path().join("app.conf");
    fs::write(&conf, "listen {{ ports.http }};").unwrap();
    let app = Process::builder("app")
        .runpath(folder.path().join("app"))
        .install_files([conf])
        .binary("python3")
        .args(["-c", script, "{{ port }}", "{{ ports.admin }}"])
        .listen([
            Listen::hand_over("http"),
            Listen::hand_over("admin").host("127.0.0.1"),
        ])
        .build()
        .unwrap();
    app.start().unwrap();
    let installed = fs::read_to_string(folder.path().join("app/etc/app.conf")).unwrap();
    assert_eq!(installed, format!("listen {};", app.port("http").unwrap()));
    for (name, expected) in [("http", "3"), ("admin", "4")] {
        let mut peer = TcpStream::connect(("localhost", app.port(name).unwrap())).unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, expected);
        if cfg!(target_os = "linux") && name == "http" {
            let infos = app.connections();
            let admin = format!("tcp://{}", app.port("admin").unwrap());
            assert!(
                infos.iter().any(|info| info.connection_rep() == admin),
                "{infos:?}"
            );
        }
    }
    let ports = [app.port("http").unwrap(), app.port("admin").unwrap()];
    let line = app.command_line().unwrap();
    assert!(
        line.ends_with(&format!(" {} {}", ports[0], ports[1])),
        "{line}"
    );
    assert_eq!(app.wait_for_exit(SOON).unwrap(), Exit::Code(0));
    app.stop().unwrap();
}

#[test]
fn a_reserved_port_is_published_before_the_start() {
    let folder = folder();
    let app = shell(folder.path(), "echo port {{ ports.http }}; read line")
        .listen([Listen::reserve("http")])
        .log_regexps([r"port (?<port>\d+)"])
        .build()
        .unwrap();
    app.start().unwrap();
    assert_eq!(
        app.base().extract("port"),
        app.port("http").map(|port| port.to_string())
    );
    std::net::TcpListener::bind(("localhost", app.port("http").unwrap())).unwrap();
    app.stop().unwrap();
}

#[test]
fn a_port_that_is_taken_fails_the_start() {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let app = shell(folder.path(), "")
        .listen([Listen::hand_over("http").host("127.0.0.1").port(port)])
        .build()
        .unwrap();
    let report = report(app.start().unwrap_err());
    assert!(
        report.contains(&format!(
            "cannot listen on 127.0.0.1:{port} for it, as \"http\""
        )),
        "{report}"
    );
}

#[test]
#[cfg(unix)]
fn a_killed_test_takes_its_processes_along() {
    // This test runs itself in another process, and kills that.
    if let Some(runpath) = std::env::var_os("STANDIN_TEST_VICTIM") {
        let app = Process::builder("victim")
            .runpath(PathBuf::from(runpath))
            .binary("sh")
            .args([
                "-c",
                "trap '' TERM HUP INT; setsid sleep 600 & echo up $$ $!; wait",
            ])
            .log_regexps(["up"])
            .build()
            .unwrap();
        app.start().unwrap();
        std::thread::sleep(SOON * 10);
        return;
    }
    let folder = folder();
    let mut test = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "a_killed_test_takes_its_processes_along",
            "--nocapture",
        ])
        .env("STANDIN_TEST_VICTIM", folder.path().join("victim"))
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let out = folder.path().join("victim/stdout");
    let pids = || -> Option<Vec<String>> {
        let text = fs::read_to_string(&out).unwrap_or_default();
        let pids = text.strip_prefix("up ")?.strip_suffix('\n')?;
        Some(pids.split(' ').map(str::to_owned).collect())
    };
    eventually(|| pids().is_some());
    let pids = pids().unwrap();
    test.kill().unwrap();
    // Fails where whoever started the tests ignores SIGCHLD, after the end all the same.
    let _ = test.wait();
    // The second one has a session of its own.
    let found = if cfg!(target_os = "linux") { 2 } else { 1 };
    eventually(|| !pids.iter().take(found).any(|pid| is_there(pid)));
}

#[test]
fn a_job_is_ready_when_it_has_ended() {
    let folder = folder();
    for code in [0, 3] {
        let script = format!("sleep 0.2; echo done > result; exit {code}");
        let job = shell(folder.path(), &script)
            .ready([Readiness::ended_with(code)])
            .build()
            .unwrap();
        job.start().unwrap();
        assert_eq!(job.exit_code(), Some(code));
        let result = folder.path().join("app/result");
        assert_eq!(fs::read_to_string(result).unwrap(), "done\n");
        job.stop().unwrap();
    }
    let job = shell(folder.path(), "exit 1")
        .ready([Readiness::ended_with(0)])
        .build()
        .unwrap();
    let report = report(job.start().unwrap_err());
    assert!(report.contains("exit code 1"), "{report}");
}

#[test]
fn output_that_an_earlier_run_left_is_not_of_this_one() {
    let folder = folder();
    let app = shell(folder.path(), "echo pid $$; read line")
        .path_cleanup(false)
        .log_regexps([r"pid (?<pid>\d+)"])
        .build()
        .unwrap();
    for _ in 0..3 {
        app.start().unwrap();
        assert_eq!(
            app.base().extract("pid"),
            app.pid().map(|pid| pid.to_string())
        );
        app.stop().unwrap();
    }
}

#[test]
fn words_that_are_no_templates_reach_the_program() {
    let folder = folder();
    let app = shell(
        folder.path(),
        "v=abc#; echo \"${#v} ${v%#}\"; echo \"$1 $2 $FORMAT\"",
    )
    .arg("sh")
    .arg(verbatim("{{.Names}}"))
    .arg("{{ name }}")
    .env_var("FORMAT", verbatim("{%"))
    .stdout_regexps(["4 abc", r"\{\{\.Names\}\} app \{%"])
    .build()
    .unwrap();
    app.start().unwrap();
    let refused = shell(folder.path(), "x").arg("{{.Names}}").build();
    let report = report(refused.unwrap_err());
    assert!(report.contains("args"), "{report}");
}
