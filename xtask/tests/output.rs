//! What a command does when its output cannot be written.

#![expect(clippy::unwrap_used, reason = "a test program")]

use std::io;
use std::process::{Command, Output, Stdio};

fn style(stdout: impl Into<Stdio>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let command = command.arg("style").stdout(stdout).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_reader_that_has_read_enough_ends_a_command_without_a_word() {
    let (_, pipe) = io::pipe().unwrap();
    let ended = style(pipe);
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
    assert_eq!(ended.status.code(), Some(141));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_is_lost_is_an_error() {
    let ended = style(
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap(),
    );
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(
        said.starts_with("cannot write to standard output: "),
        "{said}"
    );
    assert_eq!(ended.status.code(), Some(1));
}
