//! What an earlier start, or somebody else, has left does not make a driver ready.

use super::*;

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
    app.base().options().set_local("timeout", "60s").unwrap();
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
    let nobody = TestPort::claim();
    let port = nobody.number();
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
