//! What a test shows that blocks the only thread of its runtime.
#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use common::{SECONDS, server};
use standin_driver::{LogMatcher, Readiness};
use standin_environment::Environment;
use standin_tcp::TcpServer;

/// Longer than it takes until something would be said.
const LIMIT: Duration = Duration::from_secs(4);

/// Runs a test of this program by itself, and gives what it has shown on the standard error while
/// it ran. Its waits go on until `has_seen` has read what it is to show.
fn shown_by(test: &str, has_seen: impl FnOnce(&mut BufReader<&mut dyn Read>) -> String) -> String {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new(program)
        .args(["--exact", test, "--ignored"])
        .env_remove("NEXTEST")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = child.stderr.take().unwrap();
    let mut errors = BufReader::new(&mut errors as &mut dyn Read);
    let mut shown = has_seen(&mut errors);
    drop(child.stdin.take());
    errors.read_to_string(&mut shown).unwrap();
    assert!(child.wait().unwrap().success(), "{shown}");
    shown
}

/// Reads a whole note.
fn note(errors: &mut BufReader<&mut dyn Read>) -> String {
    let mut note = String::new();
    while !note.contains("see the guide") && errors.read_line(&mut note).unwrap() > 0 {}
    note
}

/// Lets what would be said be said.
fn nothing(_: &mut BufReader<&mut dyn Read>) -> String {
    thread::sleep(LIMIT);
    String::new()
}

/// Does something once whoever has started this test has seen what it shows.
fn once_seen(act: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        act();
    });
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
        if !has_names() {
            assert_eq!(shown_by(test, nothing), "");
            continue;
        }
        let shown = shown_by(test, note);
        assert_eq!(shown.matches("standin: ").count(), 1, "{shown}");
        assert!(shown.contains(&format!("`{method}`")), "{shown}");
        assert!(shown.contains("tests/hanging.rs:"), "{shown}");
        assert!(shown.contains(&format!("`{method}_async`")), "{shown}");
    }
}

#[test]
fn whoever_keeps_nobody_from_running_is_told_nothing() {
    let shown = shown_by("blocks_a_thread_of_its_own", |_| String::new());
    assert_eq!(shown, "");
}

#[tokio::test]
#[ignore = "of the tests above"]
async fn blocks_a_runtime_of_one_thread() {
    let server = server();
    let port = server.port().unwrap();
    let peer = tokio::spawn(tokio::net::TcpStream::connect(("127.0.0.1", port)));
    once_seen(move || drop(TcpStream::connect(("127.0.0.1", port)).unwrap()));
    // The peer would come if it could.
    server.accept_connection(SECONDS).unwrap();
    // It is said once.
    assert!(server.accept_connection(LIMIT).is_err());
    drop(peer);
}

#[tokio::test]
#[ignore = "of the tests above"]
async fn searches_a_log_in_a_task() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut writes = log.reopen().unwrap();
    once_seen(move || writes.write_all(b"ready\n").unwrap());
    let matcher = LogMatcher::new(log.path());
    matcher.match_line("ready", SECONDS).unwrap();
}

#[tokio::test]
#[ignore = "of the tests above"]
async fn starts_in_a_task() {
    let mut env = Environment::new("env");
    let seen = Arc::new(AtomicBool::new(false));
    let is_ready = Arc::clone(&seen);
    let server = TcpServer::builder("server")
        .host("127.0.0.1")
        .ready([Readiness::predicate("it is seen", move |_| {
            is_ready.load(Ordering::SeqCst)
        })])
        .timeout(SECONDS);
    env.add(server.build().unwrap()).unwrap();
    once_seen(move || seen.store(true, Ordering::SeqCst));
    drop(env.start().unwrap());
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
