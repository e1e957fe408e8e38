//! Standard input.

use super::*;

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
fn a_directory_is_no_standard_input() {
    let folder = folder();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    for path in [folder.path(), &link] {
        let app = shell(&folder.path().join("app"), "read line")
            .stdin(Stdin::File(path.to_owned()))
            .build()
            .unwrap();
        let report = report(app.start().unwrap_err());
        assert!(report.contains("is a directory"), "{report}");
    }
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
    // Another program does: it reads that, and then the end.
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
fn a_write_has_the_time_of_the_driver() {
    let folder = folder();
    let app = shell(folder.path(), "exec sleep 600");
    let app = app.build().unwrap();
    app.start().unwrap();
    // Its start had more.
    app.base().options().set_local("timeout", "200ms").unwrap();
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
