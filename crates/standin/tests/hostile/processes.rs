//! Processes that do not want to end, and processes that end too soon.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use standin::process::{Process, ProcessBuilder, Signal};
use standin::{Environment, Lifecycle, TcpServer};

use crate::support::{SOON, alone, server, told};

const BRIEFLY: Duration = Duration::from_millis(100);

fn shell(folder: &Path, script: &str) -> ProcessBuilder {
    Process::builder("stubborn")
        .runpath(folder.join("stubborn"))
        .timeout(SOON)
        .stop_timeout(BRIEFLY)
        .binary("sh")
        .args(["-c", script])
}

/// Starts the script, waits for `ready` in its output, and stops it.
#[track_caller]
fn comes_down(script: &'static str, folder: &Path) -> standin::Result<()> {
    let process = shell(folder, script).stdout_regexps(["ready"]).build()?;
    process.start()?;
    process.stop()?;
    assert_eq!(process.pid(), None);
    Ok(())
}

#[test]
fn that_ignore_signals_are_killed() {
    alone(|folder| {
        comes_down(
            "trap '' TERM INT HUP QUIT; echo ready; while :; do sleep 1; done",
            folder,
        )
    });
}

#[test]
fn that_hide_their_children_are_found_out() {
    alone(|folder| {
        comes_down(
            "trap '' TERM; (trap '' TERM; setsid sh -c 'trap \"\" TERM HUP; echo ready; sleep 1000' & wait); sleep 1000",
            folder,
        )
    });
}

#[test]
fn that_have_stopped_themselves_are_ended() {
    alone(|folder| comes_down("echo ready; kill -STOP $$; sleep 1000", folder));
}

#[test]
fn that_flood_their_output_are_read_and_ended() {
    alone(
        |folder| // What it writes is limited for the sake of the disk.
        comes_down("echo ready; yes 'a line' | head -c 300000000; sleep 1000", folder),
    );
}

#[test]
fn that_close_their_output_are_ended() {
    alone(|folder| comes_down("echo ready; exec >&- 2>&- <&-; sleep 1000", folder));
}

#[test]
fn that_leave_a_child_behind_and_end_take_it_along() {
    alone(|folder| {
        let process = shell(folder, "sleep 1000 & echo ready").stdout_regexps(["ready"]);
        let process = process.build()?;
        process.start()?;
        process.wait_for_exit(SOON)?;
        process.stop()?;
        Ok(())
    });
}

#[test]
fn that_drop_all_that_they_could_be_known_by_are_ended() {
    alone(|folder| {
        comes_down(
            "(env -i setsid sh -c 'trap \"\" TERM; (env -i setsid sh -c \"echo ready; exec sleep 1000\" &) & sleep 1000' &) & exit 0",
            folder,
        )
    });
}

#[test]
fn that_are_another_process_every_moment_are_ended() {
    alone(|folder| comes_down("echo ready; hop() { hop & }; hop", folder));
}

#[test]
fn that_get_away_are_ended_by_an_abort_and_by_a_drop() {
    alone(|folder| {
        let script = "(env -i setsid sh -c 'echo ready; exec sleep 1000' &) & exec sleep 1000";
        for by_abort in [true, false] {
            let process = shell(folder, script).stdout_regexps(["ready"]).build()?;
            process.start()?;
            if by_abort {
                process.abort()?;
            }
        }
        Ok(())
    });
}

#[test]
fn that_lose_their_supervisor_end_with_it() {
    alone(|folder| {
        let process = shell(folder, "echo ready; exec sleep 1000").stdout_regexps(["ready"]);
        let process = process.build()?;
        process.start()?;
        let pid = process.pid().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let parent = stat.rsplit(')').next().unwrap().split_whitespace().nth(1);
        let parent = parent
            .unwrap()
            .parse()
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(parent.unwrap(), rustix::process::Signal::KILL).unwrap();
        process.wait_for_exit(SOON)?;
        process.stop()?;
        assert_eq!(process.retcode(), Some(-9));
        Ok(())
    });
}

#[test]
fn that_die_before_they_are_ready_fail_the_whole_start() {
    alone(|folder| {
        let mut env = Environment::builder("doomed").runpath(folder).build()?;
        env.add(server("server").build()?)?;
        env.add(
            shell(folder, "echo last words >&2; kill -KILL $$")
                .log_regexps(["never"])
                .build()?,
        )?;
        let told = told(env.start().unwrap_err());
        assert!(
            told.contains("last words") && told.contains("stubborn"),
            "{told}"
        );
        Ok(())
    });
}

#[test]
fn that_nobody_waits_for_end_with_an_abort() {
    alone(|folder| {
        let process = shell(folder, "trap '' TERM; echo ready; sleep 1000");
        let process = process
            .stop_signal(Signal::Interrupt)
            .log_regexps(["never"]);
        let process = process.build()?;
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| process.start());
            while process.pid().is_none() && !starting.is_finished() {
                std::thread::yield_now();
            }
            process.abort().unwrap();
            assert!(starting.join().unwrap().is_err());
        });
        Ok(())
    });
}

#[test]
fn with_a_log_that_has_no_end_are_given_up_in_time_or_with_an_abort() {
    alone(|folder| {
        let log = folder.join("endless");
        let endless = || {
            server("server")
                .runpath(folder.join("server"))
                .ready([standin::Readiness::log_in(
                    log.display().to_string(),
                    "never",
                )])
        };
        // A hole of a terabyte, which appears during the start: what was there before is not read.
        let start = |driver: &TcpServer, then: &dyn Fn()| {
            let file = File::create(&log).unwrap();
            std::thread::scope(|scope| {
                let starting = scope.spawn(|| driver.start());
                while driver.port().is_none() && !starting.is_finished() {
                    std::thread::yield_now();
                }
                file.set_len(1 << 40).unwrap();
                then();
                starting.join().unwrap().unwrap_err()
            })
        };
        let driver = endless().timeout(BRIEFLY).build()?;
        let told = told(start(&driver, &|| {}));
        assert!(told.contains("never"), "{told}");
        let driver = endless().build()?;
        start(&driver, &|| driver.abort().unwrap());
        Ok(())
    });
}
