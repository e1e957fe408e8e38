//! How processes end, and what they have started.

use super::*;

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
fn the_grace_before_the_kill_does_not_count_for_the_limit_of_the_stop() {
    let folder = folder();
    let app = deaf(folder.path())
        .stop_limit(Duration::ZERO)
        .build()
        .unwrap();
    let config: ProcessConfig = app.base().config().unwrap();
    assert_eq!(config.driver.resource.stop_limit, Some(Duration::ZERO));
    assert_eq!(config.stop_timeout, Duration::from_millis(100));
    app.start().unwrap();
    app.stop().unwrap();
    assert_eq!(app.retcode(), Some(-9));
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
        // The process itself ends in that time, also on a busy machine.
        .stop_timeout(Duration::from_secs(3))
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
    // It says so when the shell in between is gone.
    let script = "(setsid sh -c 'echo $$ > pid; exec sleep 600' &); \
        until test -s pid; do sleep 0.01; done; echo child $(cat pid); read line";
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
fn how_it_ended_and_whose_its_ports_are_is_on_record() {
    let folder = folder();
    let app = shell(folder.path(), "read line; exit 3").listen([Listen::reserve("http")]);
    let app = app.build().unwrap();
    app.start().unwrap();
    let port = app.port("http").unwrap();
    app.write_stdin("go\n").unwrap();
    app.wait_for_exit(SOON).unwrap();
    let exit = || app.transcript().drivers[0].exit.clone();
    // Another thread puts it there.
    eventually(|| exit().is_some());
    let end = exit().unwrap();
    assert_eq!(end.how, "ended with exit code 3");
    assert!(!end.is_expected, "it is 0 that is");
    let names = app.transcript().names;
    let name = names
        .iter()
        .find(|(address, _)| address.to_string() == format!("127.0.0.1:{port}"));
    assert_eq!(name.unwrap().1, "app");
    app.stop().unwrap();
    assert!(exit().is_some());
    app.start().unwrap();
    assert_eq!(exit(), None, "it is of the former run");
    app.stop().unwrap();
}

#[test]
fn whether_it_should_end_like_that_is_on_record() {
    for (script, expected, is_expected) in [
        ("read line; exit 10", None, false),
        ("read line; exit 10", Some(10), true),
        ("read line", None, true),
        ("read line", Some(10), false),
    ] {
        let folder = folder();
        let app = shell(folder.path(), script);
        let app = match expected {
            Some(code) => app.expected_retcode(code),
            None => app,
        };
        let app = app.build().unwrap();
        app.start().unwrap();
        app.write_stdin("go\n").unwrap();
        app.wait_for_exit(SOON).unwrap();
        let exit = || app.transcript().drivers[0].exit.clone();
        eventually(|| exit().is_some());
        let text = format!("{script:?}, expected {expected:?}");
        assert_eq!(exit().unwrap().is_expected, is_expected, "{text}");
        let page = app.transcript().to_html();
        let troubles = page.split("<ol class=\"trouble\">").nth(1);
        let is_trouble = troubles.is_some_and(|page| {
            let list = page.split("</ol>").next().unwrap();
            list.contains("ended with exit code")
        });
        assert_eq!(is_trouble, !is_expected, "{text}");
        let _ = app.stop();
    }
}
