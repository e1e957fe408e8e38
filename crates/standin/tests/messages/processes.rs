//! Mistakes with the program under test.

use std::fs;
use std::path::Path;
use std::time::Duration;

use expect_test::expect;
use standin::{Process, ProcessBuilder, Readiness};

use crate::{check, environment};

fn shell(script: &str) -> ProcessBuilder {
    Process::builder("app")
        .binary("/bin/sh")
        .arg("-c")
        .arg(script)
}

fn start(folder: &Path, options: ProcessBuilder) -> standin::Result<()> {
    let mut env = environment(folder)?;
    env.add(options.build()?)?;
    drop(env.start()?);
    Ok(())
}

#[test]
fn there_is_no_such_program() {
    check(
        |folder| start(folder, Process::builder("app").binary("/no/such/program")),
        expect![[r#"
            environment "test" did not start: driver "app" could not be started
              at crates/standin/tests/messages/processes.rs
              caused by: process "app": program `/no/such/program` was not found
              help: install it, or set `binary` to its path; a relative path starts at CURRENT
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::process::binary_not_found
            --- anyhow ---
            environment "test" did not start: driver "app" could not be started

            Caused by:
                process "app": program `/no/such/program` was not found
        "#]],
    );
}

#[test]
fn the_program_is_not_executable() {
    check(
        |folder| {
            let program = folder.join("program");
            fs::write(&program, "#!/bin/sh\n")?;
            start(
                folder,
                Process::builder("app").binary(program.to_string_lossy().into_owned()),
            )
        },
        expect![[r#"
            environment "test" did not start: driver "app" could not be started
              at crates/standin/tests/messages/processes.rs
              caused by: process "app": `DIR/program` cannot be run: it is not executable
              help: `chmod +x` it, or name another file as `binary`
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::process::not_executable
            --- anyhow ---
            environment "test" did not start: driver "app" could not be started

            Caused by:
                process "app": `DIR/program` cannot be run: it is not executable
        "#]],
    );
}

#[test]
fn the_program_ends_before_it_is_ready() {
    check(
        |folder| {
            let options = shell("echo 'ERROR: no db' >&2; exit 3");
            start(folder, options.ready([Readiness::log("ready")]))
        },
        expect![[r#"
            environment "test" did not start: driver "app" did not become ready
              Information from log file: DIR/run/app/stderr
                ERROR: no db
              at crates/standin/tests/messages/processes.rs
              caused by: process "app" ended TIME after its start and before it was ready, with exit code 3
              help: the command was `/bin/sh -c 'echo '\''ERROR: no db'\'' >&2; exit 3'`
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::process::ended_early
            --- anyhow ---
            environment "test" did not start: driver "app" did not become ready
              Information from log file: DIR/run/app/stderr
                ERROR: no db

            Caused by:
                process "app" ended TIME after its start and before it was ready, with exit code 3
        "#]],
    );
}

#[test]
fn the_program_is_never_ready() {
    check(
        |folder| {
            // Long enough for a shell to start on a busy machine.
            let options = shell("echo starting; exec sleep 600").timeout(Duration::from_secs(10));
            start(folder, options.ready([Readiness::log("ready")]))
        },
        expect![[r#"
            environment "test" did not start: driver "app" was not ready after TIME (N checks): unmatched `log` in DIR/run/app/stdout:
              `ready`
              after 1 line; the last is "starting"
              Information from log file: DIR/run/app/stdout
                starting
              at crates/standin/tests/messages/processes.rs
              help: find out why it is not ready, or raise its `timeout` (now 10s)
                the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::entity::start_timeout
            --- anyhow ---
            environment "test" did not start: driver "app" was not ready after TIME (N checks): unmatched `log` in DIR/run/app/stdout:
              `ready`
              after 1 line; the last is "starting"
              Information from log file: DIR/run/app/stdout
                starting
        "#]],
    );
}

#[test]
fn the_pattern_is_not_a_regular_expression() {
    check(
        |folder| start(folder, shell("exit").ready([Readiness::log("ready (")])),
        expect![[r#"
            driver "app": option "ready[0].log": "ready (" is not a regular expression: unclosed group
              at crates/standin/tests/messages/processes.rs
              help: ready: Conditions that must hold before the driver counts as started, one after the other, once the regexps have matched: `{ port = 8080 }`, `{ file = "app.pid" }`, `{ command = ["app-status"] }`, `{ log = "up" }`, `{ log = "up", times = 2 }`, `{ ended_with = 0 }`, `{ all = [...] }`, `{ any = [...] }`.
              code: standin::config::wrong_type
            --- anyhow ---
            driver "app": option "ready[0].log": "ready (" is not a regular expression: unclosed group
        "#]],
    );
}

#[test]
fn the_file_to_install_is_not_there() {
    check(
        |folder| start(folder, shell("exit").install_files(["no/such.conf"])),
        expect![[r#"
            environment "test" did not start: driver "app" could not be prepared for its start
              at crates/standin/tests/messages/processes.rs
              caused by: driver "app" cannot install `no/such.conf`
              caused by: No such file or directory (os error 2)
              help: relative paths start at the current directory of the test, in an environment file at its folder
              help: the files of the drivers are kept in DIR/run
                what was recorded: target/standin/test/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::driver::install_source
            --- anyhow ---
            environment "test" did not start: driver "app" could not be prepared for its start

            Caused by:
                0: driver "app" cannot install `no/such.conf`
                1: No such file or directory (os error 2)
        "#]],
    );
}
