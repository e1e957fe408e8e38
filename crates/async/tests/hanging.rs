//! What a test shows that blocks the only thread of its runtime.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use common::server;
use standin_driver::{LogMatcher, Readiness};
use standin_environment::Environment;
use standin_tcp::TcpServer;

/// Longer than it takes until something is said.
const LIMIT: Duration = Duration::from_secs(4);

/// Runs a test of this program by itself, and gives what it has shown on the standard error while
/// it ran.
fn shown_by(test: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--exact", test, "--ignored"])
        .env_remove("NEXTEST")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

/// Whether functions have names: a program without symbols cannot be looked into.
fn has_names() -> bool {
    let stack = std::backtrace::Backtrace::force_capture().to_string();
    stack.contains("has_names")
}

#[test]
fn a_task_that_blocks_its_runtime_is_told_what_to_do() {
    for (test, method) in [
        ("blocks_a_runtime_of_one_thread", "accept_connection"),
        // These wait by looking every now and then.
        ("searches_a_log_in_a_task", "match_line"),
        ("starts_in_a_task", "start"),
    ] {
        let shown = shown_by(test);
        if !has_names() {
            assert_eq!(shown, "");
            continue;
        }
        assert_eq!(shown.matches("standin: ").count(), 1, "{shown}");
        assert!(shown.contains(&format!("`{method}`")), "{shown}");
        assert!(shown.contains("tests/hanging.rs:"), "{shown}");
        assert!(shown.contains(&format!("`{method}_async`")), "{shown}");
    }
}

#[test]
fn whoever_keeps_nobody_from_running_is_told_nothing() {
    assert_eq!(shown_by("blocks_a_thread_of_its_own"), "");
}

#[tokio::test]
#[ignore = "of the tests above"]
async fn blocks_a_runtime_of_one_thread() {
    let server = server();
    let port = server.port().unwrap();
    let peer = tokio::spawn(tokio::net::TcpStream::connect(("127.0.0.1", port)));
    for _ in 0..2 {
        // The peer would come if it could.
        let accepted = server.accept_connection(LIMIT / 2 + Duration::from_millis(500));
        assert!(accepted.is_err());
    }
    drop(peer);
}

#[tokio::test]
#[ignore = "of the tests above"]
async fn searches_a_log_in_a_task() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let searched = LogMatcher::new(log.path()).match_line("ready", LIMIT);
    assert!(searched.is_err());
}

#[tokio::test]
#[ignore = "of the tests above"]
async fn starts_in_a_task() {
    let mut env = Environment::new("env");
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .ready([Readiness::predicate("never", |_| false)])
        .timeout(LIMIT);
    env.add(server.build().unwrap()).unwrap();
    assert!(env.start().is_err());
}

#[test]
#[ignore = "of the tests above"]
fn blocks_a_thread_of_its_own() {
    let server = server();
    assert!(server.accept_connection(LIMIT).is_err());
    let many = tokio::runtime::Builder::new_multi_thread()
        .enable_io()
        .build()
        .unwrap();
    many.block_on(async {
        let wait = tokio::task::spawn_blocking(move || server.accept_connection(LIMIT).is_err());
        assert!(wait.await.unwrap());
    });
    let one = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    one.block_on(async {
        let server = common::server();
        let wait = tokio::task::spawn_blocking(move || server.accept_connection(LIMIT).is_err());
        assert!(wait.await.unwrap());
    });
}
