//! What a program gets when it starts, and why it does not.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use std::cell::Cell;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use standin_child::{Command, Exit, SpawnError, Stdio};
use support::{SOON, shell, soon, traced};

#[test]
fn is_send_and_sync() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<standin_child::Child>();
    check::<Command>();
    check::<SpawnError>();
    check::<standin_child::Descendant>();
}

/// What a program of these settings writes.
#[track_caller]
fn output(command: &mut Command) -> String {
    let trace = traced(command);
    let child = command.spawn().unwrap();
    command.stdout(Stdio::Null);
    assert_eq!(child.wait(soon()), Some(Exit::Code(0)));
    assert!(child.end(soon()));
    trace.read_to_end()
}

#[test]
fn has_its_arguments_variables_and_directory() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .arg0("called so")
        .args(["-c", "echo \"$0 $1 $OWN ${HOME-none} $(pwd)\"", "a b", ""])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("OWN", "c  d")
        .current_dir(folder.path());
    let folder = fs::canonicalize(folder.path()).unwrap();
    assert_eq!(
        output(&mut command),
        format!("a b  c  d none {}\n", folder.display())
    );
    let mut command = shell("echo ${PATH:+some} ${STANDIN_X-none} $STANDIN_Y");
    command
        .env("STANDIN_X", "")
        .env_remove("STANDIN_X")
        .env("STANDIN_Y", "y");
    assert_eq!(output(&mut command), "some none y\n");
}

#[test]
#[cfg(target_os = "linux")]
fn inherits_no_descriptor_by_accident() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("lock")).unwrap();
    let high = rustix::io::dup(&file).unwrap();
    // As a shell's `3<>file`: not closed when a program is run.
    for fd in [&file.into(), &high] {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty()).unwrap();
    }
    // The last one is that of `ls`.
    assert_eq!(
        output(Command::new("ls").arg("/proc/self/fd")),
        "0\n1\n2\n3\n"
    );
}

#[test]
#[cfg(target_os = "linux")]
fn inherits_what_it_is_passed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<File> = (0..40)
        .map(|number| {
            let path = folder.path().join(number.to_string());
            fs::write(&path, format!("{number} ")).unwrap();
            File::open(path).unwrap()
        })
        .collect();
    let mut command =
        shell("for fd in 3 4 5 6 7 8 9; do eval \"cat <&$fd\"; done; ls /proc/self/fd | wc -l");
    // Numbers above those where they have to go, below them, and among them.
    let chosen = [39, 0, 20, 1, 2, 38, 3];
    for number in chosen {
        command.pass(OwnedFd::from(files[number].try_clone().unwrap()));
    }
    assert_eq!(output(&mut command), "39 0 20 1 2 38 3 11\n");
    assert!(files.iter().any(|file| file.as_raw_fd() > 20));
}

#[test]
#[cfg(target_os = "linux")]
fn starts_with_all_signals_at_their_defaults() {
    let status = || output(Command::new("cat").arg("/proc/self/status"));
    let mask = |name: &str| {
        let status = status();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    // Rust ignores SIGPIPE, as a shell ignores SIGINT in what it runs in the background.
    for name in ["SigBlk", "SigIgn"] {
        assert_eq!(mask(name), "0000000000000000", "{name}");
    }
}

#[test]
fn reads_nothing_unless_it_is_given_something() {
    assert_eq!(output(&mut Command::new("cat")), "");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    fs::write(&file, "from a file\n").unwrap();
    let mut command = Command::new("cat");
    command.stdin(File::open(file).unwrap());
    assert_eq!(output(&mut command), "from a file\n");
}

/// A file with this text, which may be executed.
fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("script");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_script_that_names_no_interpreter_is_one_of_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let script = script(folder.path(), "echo \"$1 $2\"\n");
    assert_eq!(output(Command::new(script).args(["a", "b c"])), "a b c\n");
}

#[test]
fn what_cannot_be_run_is_an_error_that_says_why() {
    use std::io::ErrorKind;
    let folder = tempfile::tempdir().unwrap();
    let no_interpreter = script(folder.path(), "#!/no/such/interpreter\n");
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let kind = |command: &mut Command| {
        let error = command.spawn().unwrap_err();
        (error.io().map(std::io::Error::kind), error.to_string())
    };
    for (program, expected) in [
        (Path::new("/no/such/program"), ErrorKind::NotFound),
        (&no_interpreter, ErrorKind::NotFound),
        (folder.path(), ErrorKind::PermissionDenied),
        (&plain, ErrorKind::PermissionDenied),
    ] {
        let message = format!("cannot run `{}`", program.display());
        assert_eq!(kind(&mut Command::new(program)), (Some(expected), message));
    }
    assert_eq!(
        kind(&mut Command::new("no-such-program-3141")),
        (
            None,
            "program `no-such-program-3141` was not found in PATH".to_owned()
        )
    );
    assert_eq!(
        kind(Command::new("ls").current_dir("/no/such/directory")),
        (
            Some(ErrorKind::NotFound),
            "cannot start in the directory `/no/such/directory`".to_owned()
        )
    );
    for (name, value) in [("A=B", "c"), ("", "v"), ("A\0", "v"), ("A", "v\0")] {
        let (_, message) = kind(Command::new("ls").env(name, value));
        let name = name.escape_debug();
        assert_eq!(
            message,
            format!("\"{name}\" cannot be an environment variable")
        );
    }
    let (_, message) = kind(Command::new("ls").arg("\0"));
    assert_eq!(message, "an argument contains a NUL");
}

#[test]
fn a_write_ends_at_its_deadline_and_says_how_much_was_taken() {
    let child = shell("exec sleep 600").stdin(Stdio::Pipe).spawn().unwrap();
    let bytes = vec![b'x'; 1 << 20];
    let error = child
        .write_stdin(&bytes, Instant::now() + Duration::from_millis(30))
        .unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert!(
        error.written > 0 && error.written < bytes.len(),
        "{error:?}"
    );
    assert_eq!(error.total, bytes.len());
    assert!(child.end(soon()));
}

#[test]
fn a_close_ends_writes_that_wait() {
    let child = shell("read line; cat >/dev/null")
        .stdin(Stdio::Pipe)
        .spawn()
        .unwrap();
    let child = &child;
    child.signal(19).unwrap();
    std::thread::scope(|scope| {
        let writes: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| child.write_stdin(vec![b'x'; 1 << 20], soon())))
            .collect();
        std::thread::sleep(Duration::from_millis(30));
        let since = Instant::now();
        child.close_stdin();
        assert!(since.elapsed() < SOON / 2, "the close waits for the writes");
        for write in writes {
            let error = write.join().unwrap().unwrap_err();
            assert_eq!(error.source.kind(), std::io::ErrorKind::BrokenPipe);
        }
        assert!(since.elapsed() < SOON / 2, "the writes do not end");
    });
    child.signal(18).unwrap();
    assert_eq!(child.wait(soon()), Some(Exit::Code(0)));
}

#[test]
fn an_end_ends_a_write_that_waits() {
    let child = shell("exec sleep 600").stdin(Stdio::Pipe).spawn().unwrap();
    std::thread::scope(|scope| {
        let write = scope.spawn(|| child.write_stdin(vec![b'x'; 1 << 20], None));
        assert!(child.end(soon()));
        let error = write.join().unwrap().unwrap_err();
        assert_eq!(error.source.kind(), std::io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn what_is_written_arrives_in_one_piece() {
    let mut command = Command::new("cat");
    command.stdin(Stdio::Pipe);
    let trace = traced(&mut command);
    let child = command.spawn().unwrap();
    command.stdout(Stdio::Null);
    let text = std::thread::scope(|scope| {
        let reading = scope.spawn(|| trace.read_to_end());
        std::thread::scope(|scope| {
            for letter in ["a", "b", "c"] {
                let child = &child;
                scope.spawn(move || child.write_stdin(letter.repeat(300_000), soon()).unwrap());
            }
        });
        child.close_stdin();
        reading.join().unwrap()
    });
    assert_eq!(text.len(), 900_000);
    let changes = text.as_bytes().windows(2).filter(|two| two[0] != two[1]);
    assert_eq!(changes.count(), 2, "they are mixed");
}

#[test]
fn says_how_long_it_ran() {
    let child = Command::new("sleep").arg("0.05").spawn().unwrap();
    child.wait(soon());
    assert!(child.lifetime() >= Some(Duration::from_millis(50)));
}

#[test]
fn tells_when_it_has_ended_and_when_nothing_of_it_runs() {
    let (said, heard) = std::sync::mpsc::channel();
    let mut command = shell("sleep 600 & echo $!; exit 5");
    let mut trace = traced(&mut command);
    let child = command.spawn_and_notify(move || {
        let _ = said.send(());
    });
    let child = child.unwrap();
    let sleeper = trace.line();
    while child.exit().is_none() {
        heard.recv_timeout(SOON).unwrap();
    }
    assert_eq!(child.exit(), Some(Exit::Code(5)));
    assert!(!child.is_over());
    let kill = format!("kill {sleeper}");
    assert_eq!(output(&mut shell(&kill)), "");
    while !child.is_over() {
        heard.recv_timeout(SOON).unwrap();
    }
    assert!(child.lifetime().is_some_and(|time| time < SOON));
}

#[test]
fn leads_a_group_of_its_own_unless_it_keeps_that_of_its_caller() {
    let group_of = |text: &str| -> u32 {
        // After the name in brackets: state, parent, group.
        let (_, fields) = text.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    let stat = || shell("cat /proc/$$/stat");
    if !Path::new("/proc/self/stat").exists() {
        return;
    }
    let ours = group_of(&fs::read_to_string("/proc/self/stat").unwrap());
    assert_ne!(group_of(&output(&mut stat())), ours);
    assert_eq!(group_of(&output(stat().keep_group())), ours);

    let mut command = shell("sleep 600");
    let child = command.keep_group().spawn().unwrap();
    // Sent to the group, it would end this test.
    child.signal_group(15).unwrap();
    assert_eq!(child.wait(soon()), Some(Exit::Signal(15)));
    assert!(child.end(soon()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_held_program_gets_a_signal_once_that_comes_twice() {
    let number = |pid: u32| rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    let pid = Cell::new(0);
    let mut command = shell("exit 7");
    let child = command
        .spawn_held(|joined| {
            pid.set(joined);
            let status = fs::read_to_string(format!("/proc/{joined}/status")).unwrap();
            assert!(!status.contains("Name:\tsh\n"), "{status}");
            for _ in 0..2 {
                let signal = rustix::process::Signal::TERM;
                rustix::process::kill_process(number(joined), signal).unwrap();
            }
        })
        .unwrap();
    assert_eq!(child.pid(), pid.get());
    assert_eq!(child.wait(soon()), Some(Exit::Signal(15)));
    assert!(child.end(soon()));

    // Without a signal it just runs.
    let child = command.spawn_held(|_| {}).unwrap();
    assert_eq!(child.wait(soon()), Some(Exit::Code(7)));
    let refused = Command::new("/").spawn_held(|_| {}).unwrap_err();
    assert!(matches!(refused, SpawnError::Program { .. }), "{refused:?}");
}
