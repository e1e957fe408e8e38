//! Programs that cannot be started, or end before they are ready.

use super::*;

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
        report.contains("program `no-such-program-3141` was not found in PATH (/"),
        "{report}"
    );
    let app = shell(folder.path(), "")
        .binary("./no-such-program")
        .build()
        .unwrap();
    let report = self::report(app.start().unwrap_err());
    assert!(
        report.contains("program `./no-such-program` was not found"),
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
        let expected = format!("cannot be run: {interpreter}, which it needs, does not exist");
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
fn a_context_value_without_an_environment_fails_the_start() {
    let folder = folder();
    let app = shell(folder.path(), "")
        .env([("PORT", context("server", "{{ port }}"))])
        .build()
        .unwrap();
    let report = report(app.start().unwrap_err());
    assert!(report.contains("but is not in an environment"), "{report}");
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
    // another program listens.
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
fn a_timeout_shows_what_is_missing_and_what_was_found() {
    let folder = folder();
    let script = "echo 'port=80'; echo 'now listening'; exec sleep 600";
    let app = shell(folder.path(), script)
        .log_regexps([r"port=(?<port>\d+)", "listening"])
        .build()
        .unwrap();
    // On a busy machine the shell may not have written in a short time.
    let mut report = String::new();
    for timeout in ["1s", "4s", "16s"] {
        let options = app.base().options();
        options.set_local("timeout", timeout).unwrap();
        report = self::report(app.start().unwrap_err());
        if report.contains("extracted: port=") {
            break;
        }
    }
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
