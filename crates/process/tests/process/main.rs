//! Real processes: what a start, a stop and an end do to them.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test program")]

mod endings;
mod failed_starts;
mod given_up;
mod ports;
mod stdin;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use standin_config::{context, verbatim};
use standin_driver::{Driver, Lifecycle, Readiness};
use standin_entity::{Error, Status};
use standin_process::{Exit, Listen, Process, ProcessBuilder, ProcessConfig, Signal, Stdin};

/// Longer than anything here takes: reached only by a hang.
const SOON: Duration = Duration::from_secs(60);

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
    app.stop().unwrap();
    // Nothing had to be killed: the signal has reached `sleep`.
    assert_eq!(app.base().resource().report().notes, [""; 0]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_daemon_may_become_ready_after_its_first_process_has_ended() {
    let folder = folder();
    let script = "(until test -e go; do sleep 0.01; done; touch ready; exec sleep 600) & exit 0";
    let app = shell(folder.path(), script)
        .ready([Readiness::file("ready")])
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| app.start());
        eventually(|| app.retcode().is_some());
        assert_eq!(app.status(), Status::Starting);
        fs::write(folder.path().join("app/go"), "").unwrap();
        starting.join().unwrap().unwrap();
    });
    assert!(app.is_alive());
    assert_eq!(app.retcode(), Some(0));
    app.stop().unwrap();
    assert!(!app.is_alive());
    // What has made the file may be on its way out just then, too.
    assert!(!app.orphans().is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn a_log_below_a_folder_connects_the_process_with_nobody() {
    let folder = folder();
    let script = "mkdir -p log; exec 3>log/app.log; echo up >&3; exec sleep 600";
    let app = shell(folder.path(), script)
        .logname("log/app.log")
        .log_regexps(["up"]);
    let app = app.build().unwrap();
    app.start().unwrap();
    assert_eq!(app.connections(), []);
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
    // Fails where the tests were started with SIGCHLD ignored, after the end anyway.
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
