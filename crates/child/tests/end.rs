//! Nothing that a program has started is alive after its end.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use standin_child::{Child, Command, Exit, Stdio};
use support::{SOON, eventually, shell, soon, state, traced};

/// Programs that get away, each in its own way. Each says `up` when it has.
const FUGITIVES: &[(&str, &str)] = &[
    ("stays in the group", "sleep 600 & echo up; exit 0"),
    (
        "leaves the group",
        "setsid sh -c 'echo up; exec sleep 600' & exit 0",
    ),
    (
        "leaves group, parent and environment",
        "(env -i setsid sh -c 'echo up; exec sleep 600' &) & exit 0",
    ),
    (
        "does so twice",
        "(setsid sh -c '(env -i setsid sh -c \"echo up; exec sleep 600\" &) & exit 0' &) & exit 0",
    ),
    (
        "ignores all signals, and is stopped",
        "(setsid sh -c 'trap \"\" TERM HUP INT QUIT; echo up; kill -STOP $$' &) & exit 0",
    ),
    (
        "changes its title, which overwrites its environment",
        "exec perl -MPOSIX -e 'exit if fork; setsid; exit if fork; $0 = q(x) x 5000; $| = 1; print qq(up\\n); sleep 600'",
    ),
    (
        "is another process every moment",
        "echo up; hop() { hop & }; hop",
    ),
    (
        "is many",
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do (setsid sleep 600 &) & done; wait; echo up",
    ),
    (
        "is a line of subreapers of its own",
        "exec perl -MPOSIX -e 'for (1..5) { syscall(157, 36, 1, 0, 0, 0) if $^O eq q(linux); exit if fork; setsid } $| = 1; print qq(up\\n); sleep 600'",
    ),
];

#[test]
fn ends_what_got_away() {
    for (how, script) in FUGITIVES {
        if script.contains("perl") && Command::new("perl").arg("-v").spawn().is_err() {
            eprintln!("without perl there is nobody that {how}");
            continue;
        }
        for round in 0..10 {
            let mut command = shell(script);
            let mut trace = traced(&mut command);
            let child = command.spawn().unwrap();
            drop(command);
            assert_eq!(trace.line(), "up", "one that {how}");
            if round % 2 == 0 {
                child.wait(soon());
                assert!(!child.is_over(), "one that {how} is not seen");
            }
            assert!(child.end(soon()), "one that {how} is there");
            // The pipe ends only with the last of them.
            trace.read_to_end();
            assert_eq!(state(child.pid()), None);
            assert_eq!(state(child.root()), None);
        }
    }
}

#[test]
fn a_drop_ends_all_as_well() {
    let (_, script) = FUGITIVES[2];
    let mut command = shell(script);
    let mut trace = traced(&mut command);
    let child = command.spawn().unwrap();
    drop(command);
    trace.line();
    drop(child);
    trace.read_to_end();
}

#[test]
fn says_what_is_left_when_it_has_ended() {
    let child = shell("setsid sleep 600 & setsid sleep 600 & exit 3")
        .spawn()
        .unwrap();
    assert_eq!(child.wait(soon()), Some(Exit::Code(3)));
    eventually(|| child.below().iter().all(|left| left.name() == "sleep"));
    let left = child.below();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(
        left[0].to_string(),
        format!("sleep (pid {})", left[0].pid())
    );
    // Its number is still its own.
    assert_eq!(state(child.pid()), Some('Z'));
    assert!(!child.wait_until_over(std::time::Instant::now()));
    for left in left {
        left.terminate();
        assert!(left.wait(soon()));
    }
    assert!(child.wait_until_over(soon()));
    assert!(child.below().is_empty());
    assert!(child.end(soon()));
    assert_eq!(child.exit(), Some(Exit::Code(3)));
}

#[test]
fn reaps_what_others_have_left() {
    let script = "for i in 1 2 3 4 5 6 7 8 9; do (sleep 0 &) ; done; echo up; exec sleep 600";
    let mut command = shell(script);
    let mut trace = traced(&mut command);
    let child = command.spawn().unwrap();
    trace.line();
    let children = format!("/proc/{0}/task/{0}/children", child.root());
    eventually(|| {
        let children = std::fs::read_to_string(&children).unwrap();
        children.trim() == child.pid().to_string()
    });
    assert!(!child.is_over());
}

#[test]
fn ends_nobody_else() {
    let mut other = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    let another = shell("sleep 600").spawn().unwrap();
    for _ in 0..5 {
        assert!(
            shell("setsid sleep 600 & exit 0")
                .spawn()
                .unwrap()
                .end(soon())
        );
    }
    assert!(other.try_wait().unwrap().is_none());
    assert_eq!(another.exit(), None);
    other.kill().unwrap();
    // Fails where the tests were started with SIGCHLD ignored, after the end anyway.
    let _ = other.wait();
}

#[test]
fn many_are_started_and_ended_at_once() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let mut command = shell("setsid sleep 600 & echo up; exec sleep 600");
                    let mut trace = traced(&mut command);
                    let child = command.spawn().unwrap();
                    drop(command);
                    trace.line();
                    assert!(child.end(soon()));
                    trace.read_to_end();
                }
            });
        }
    });
}

#[test]
fn several_threads_may_end_one() {
    let child = shell("sleep 600").spawn().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(child.end(soon())));
        }
    });
    assert_eq!(child.exit(), Some(Exit::Signal(9)));
    assert_eq!(
        child.signal(15).unwrap_err().kind(),
        std::io::ErrorKind::NotFound
    );
}

#[test]
fn a_program_whose_supervisor_is_killed_ends_with_it() {
    let mut command = shell("sleep 600 & echo up; wait");
    let mut trace = traced(&mut command);
    let child = command.spawn().unwrap();
    drop(command);
    trace.line();
    send(child.root(), rustix::process::Signal::KILL);
    assert_eq!(child.wait(soon()), Some(Exit::Signal(9)));
    assert!(child.end(soon()));
    // Also what stayed in its group.
    trace.read_to_end();
}

#[test]
fn signals_to_the_supervisor_change_nothing() {
    let child = shell("sleep 600").spawn().unwrap();
    use rustix::process::Signal;
    for signal in [
        Signal::TERM,
        Signal::INT,
        Signal::HUP,
        Signal::QUIT,
        Signal::PIPE,
        Signal::USR1,
        Signal::CHILD,
        Signal::ALARM,
    ] {
        send(child.root(), signal);
    }
    assert_eq!(child.wait(std::time::Instant::now()), None);
    assert!(child.end(soon()));
}

#[test]
fn a_supervisor_rests_and_has_nothing_open() {
    let child = shell("sleep 600").spawn().unwrap();
    let root = child.root();
    eventually(|| state(root) == Some('S'));
    let open = std::fs::read_dir(format!("/proc/{root}/fd")).unwrap();
    let open: Vec<_> = open
        .map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap())
        .map(|target| target.display().to_string())
        .collect();
    assert!(
        open.iter()
            .all(|target| target.starts_with("socket:") || target.starts_with("anon_inode:")),
        "{open:?}"
    );
    assert!(open.len() <= 3, "{open:?}");
    assert_eq!(
        std::fs::read_link(format!("/proc/{root}/cwd")).unwrap(),
        std::path::Path::new("/")
    );
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{root}/stat")).unwrap();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(ticks() - before <= 1, "it spins");
}

const VICTIM: &str = "STANDIN_CHILD_VICTIM";

/// Runs the test of that name again, in a process that `start` begins.
fn victim(name: &str, start: &str) -> Command {
    let mut command = shell(&format!("{start} exec \"$0\" \"$@\""));
    command
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(VICTIM, "1");
    command
}

fn is_victim() -> bool {
    std::env::var_os(VICTIM).is_some()
}

fn send(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn ends_with_a_caller_that_is_killed() {
    if is_victim() {
        let children: Vec<Child> = FUGITIVES
            .iter()
            .filter(|(_, script)| !script.contains("perl"))
            .map(|(_, script)| shell(script).stdout(Stdio::Inherit).spawn().unwrap())
            .collect();
        std::thread::sleep(SOON * 10);
        drop(children);
        return;
    }
    let count = FUGITIVES
        .iter()
        .filter(|(_, script)| !script.contains("perl"))
        .count();
    for _ in 0..10 {
        let mut command = victim("ends_with_a_caller_that_is_killed", "");
        let mut trace = traced(&mut command);
        let caller = command.spawn().unwrap();
        drop(command);
        let mut up = 0;
        while up < count {
            up += usize::from(trace.line().ends_with("up"));
        }
        caller.signal(9).unwrap();
        assert_eq!(caller.wait(soon()), Some(Exit::Signal(9)));
        trace.read_to_end();
    }
}

#[test]
fn exit_codes_are_right_where_the_caller_ignores_signals() {
    if is_victim() {
        for (script, expected) in [
            ("exit 0", Exit::Code(0)),
            ("exit 7", Exit::Code(7)),
            ("kill -TERM $$", Exit::Signal(15)),
            ("kill -INT $$", Exit::Signal(2)),
            ("kill -HUP $$", Exit::Signal(1)),
            ("kill -QUIT $$", Exit::Signal(3)),
        ] {
            let child = shell(script).spawn().unwrap();
            assert_eq!(child.wait(soon()), Some(expected), "{script}");
            assert!(child.end(soon()));
            assert_eq!(state(child.root()), None);
        }
        return;
    }
    let name = "exit_codes_are_right_where_the_caller_ignores_signals";
    let mut command = victim(name, "trap '' CHLD INT HUP QUIT PIPE;");
    let trace = traced(&mut command);
    let child = command.spawn().unwrap();
    drop(command);
    let text = trace.read_to_end();
    assert_eq!(child.wait(soon()), Some(Exit::Code(0)), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}
