//! Ten faults, planted one by one: what there is to read of each, and nothing else, has to say
//! what is wrong.
//!
//! `planted.rs` has the tests with the faults. Each runs in a process of its own, as a test
//! harness does it, and its output is what a log of CI would have.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what cannot be in a test fails it, and says why"
)]

mod planted;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use expect_test::{Expect, expect};
use regex::Regex;

/// Where a folder for each fault is left with its files, for readers who want to look at them.
const KEPT: &str = "STANDIN_FAULTS";

/// Runs the test with a fault, and compares what there is to read. `on_the_page` are texts that
/// its page has to have.
#[track_caller]
fn check(fault: &str, on_the_page: &[&str], expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new(std::env::current_exe().unwrap())
        .args([
            &format!("planted::{fault}"),
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("STANDIN_ARTIFACTS", folder.path())
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    assert!(!ran.status.success(), "{fault} was not noticed");
    let output = [ran.stderr, ran.stdout].map(|text| String::from_utf8_lossy(&text).into_owned());
    let page = page_below(folder.path()).unwrap_or_else(|| panic!("no page:\n{}", output.concat()));
    if let Some(kept) = std::env::var_os(KEPT).map(PathBuf::from) {
        fs::create_dir_all(kept.join(fault)).unwrap();
        for file in ["report.html", "capture.pcapng", "transcript.txt"] {
            fs::copy(page.with_file_name(file), kept.join(fault).join(file)).unwrap();
        }
    }
    let page = fs::read_to_string(page).unwrap();
    for text in on_the_page {
        assert!(page.contains(text), "no {text:?} on the page of {fault}");
    }
    expected.assert_eq(&normal(&output.concat(), folder.path()));
}

fn page_below(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries.into_iter().find_map(|path| match path.is_dir() {
        true => page_below(&path),
        false => path.ends_with("report.html").then_some(path),
    })
}

/// Without what differs from run to run, and without what the harness says of itself.
fn normal(text: &str, folder: &Path) -> String {
    let text = text.replace(&folder.display().to_string(), "ARTIFACTS");
    let lines = text.lines().filter(|line| {
        let of_harness = [
            "running 1 test",
            "test result:",
            "test planted",
            "failures:",
            "note: run",
        ];
        let is_name = line.trim().starts_with("planted::") && !line.trim().contains(' ');
        !of_harness.iter().any(|start| line.starts_with(start)) && !is_name
    });
    let text = lines.map(str::trim_end).collect::<Vec<_>>().join("\n");
    let replacements = [
        (r"(?m)^test planted.*\n?", ""),
        (r"/\S*/target/standin/faults[^/\s]*/[^/\s]+/", "RUN/"),
        (r"\d{8}T\d{6}-\d+(-\w+)?", "RUN"),
        (r"\((\d+)\) panicked", "(ID) panicked"),
        (r"(127\.0\.0\.1|\[::1\]|localhost):\d+", "$1:PORT"),
        (r"port \d+ of", "port PORT of"),
        (r"\+\d+\.\d{3} \d{3} s", "+TIME"),
        (r" +[\d.]+ (ns|µs|ms|s)  \|[ =]{40}\|", "  TIME  |BAR|"),
        (r"\b\d[\d.]* ?(ns|µs|ms)\b", "TIME"),
        (r"\b\d+\.\d+ ?s\b", "TIME"),
        (r"after \d+s \(", "after TIME ("),
        // What has taken as long as it may is not always said to have a limit.
        (r"(after|at) (TIME|once) \(limit TIME\)", "after TIME"),
        (r"after TIME \(limit TIME, ", "after TIME ("),
        (
            r"(after TIME|at once) \(limit (\d+s)\)",
            "at once (limit $2)",
        ),
        (r"\d+ (checks?|times|attempts)\b", "N $1"),
        (r"pid \d+|process \d+", "pid PID"),
        (r"\.rs:\d+(:\d+)?", ".rs"),
    ];
    let text = replacements.iter().fold(text, |text, (from, to)| {
        Regex::new(from)
            .unwrap()
            .replace_all(&text, *to)
            .into_owned()
    });
    text.trim().to_owned() + "\n"
}

#[test]
fn a_wrong_reply() {
    check(
        "wrong_reply",
        &["250 hello yourself"],
        expect![[r#"
            standin: environment "greeting" at its end, after something had gone wrong:
              STARTED: "server", "client"
              what was recorded: ARTIFACTS/greeting/RUN/report.html (beside it transcript.txt, capture.pcapng)
            Error: client "client", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): unexpected bytes at once (limit 30s): wanted "220 hello yourself\r\n", received 20 bytes; the stream is open
              first difference at byte 1; expected 20 bytes (-), 20 came (+)
              - 00000000  32 32 30 20 68 65 6c 6c  6f 20 79 6f 75 72 73 65  |220 hello yourse|
              + 00000000  32 35 30 20 68 65 6c 6c  6f 20 79 6f 75 72 73 65  |250 hello yourse|
                             ^^
                00000010  6c 66 0d 0a                                       |lf..|
              at crates/standin/tests/faults/planted.rs
              all 4 records of client#0 (127.0.0.1:PORT <-> server 127.0.0.1:PORT), up to +TIME
                +TIME  connected to server
                +TIME  -> 9 B  "HELO me\r\n"                                      crates/standin/tests/faults/planted.rs
                +TIME  <- 20 B  "250 hello yourself\r\n"                          crates/standin/tests/faults/planted.rs
                +TIME  not as expected: "220 hello yourself\r\n": byte 1 differs  crates/standin/tests/faults/planted.rs
              help: the bytes are kept: receive them to continue
              code: standin::socket::receive_unexpected
        "#]],
    );
}

#[test]
fn a_silent_peer() {
    check(
        "silent_peer",
        &["PING"],
        expect![[r#"
            standin: environment "ping" at its end, after something had gone wrong:
              STARTED: "server", "client"
              what was recorded: ARTIFACTS/ping/RUN/report.html (beside it transcript.txt, capture.pcapng)
            Error: client "client", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): timed out after TIME: wanted a line, received nothing; the stream is open
              at crates/standin/tests/faults/planted.rs
              all 3 records of client#0 (127.0.0.1:PORT <-> server 127.0.0.1:PORT), up to +TIME
                +TIME  connected to server
                +TIME  -> 6 B  "PING\r\n"                      crates/standin/tests/faults/planted.rs
                +TIME  waited TIME for a line, nothing came  crates/standin/tests/faults/planted.rs
              help: the bytes that arrived are kept for the next receive; wait longer, or ask for less
              code: standin::socket::receive_timed_out
        "#]],
    );
}

#[test]
fn an_early_close() {
    check(
        "early_close",
        &["closed"],
        expect![[r#"
            standin: environment "download" at its end, after something had gone wrong:
              STARTED: "server", "client"
              what was recorded: ARTIFACTS/download/RUN/report.html (beside it transcript.txt, capture.pcapng)
            Error: client "client", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): the peer closed the connection at once (limit 30s): wanted exactly 100 bytes, received 60 bytes; the peer has closed the stream
              00000000  2e 2e 2e 2e 2e 2e 2e 2e  2e 2e 2e 2e 2e 2e 2e 2e  |................|
              00000010  2e 2e 2e 2e 2e 2e 2e 2e  2e 2e 2e 2e 2e 2e 2e 2e  |................|
              00000020  2e 2e 2e 2e 2e 2e 2e 2e  2e 2e 2e 2e 2e 2e 2e 2e  |................|
              00000030  2e 2e 2e 2e 2e 2e 2e 2e  2e 2e 2e 2e              |............|
              at crates/standin/tests/faults/planted.rs
              all 5 records of client#0 (127.0.0.1:PORT <-> server 127.0.0.1:PORT), up to +TIME
                +TIME  connected to server
                +TIME  -> 9 B  "GET 100\r\n"                                                    crates/standin/tests/faults/planted.rs
                +TIME  <- 60 B  "............................................................"  crates/standin/tests/faults/planted.rs
                +TIME  <- end: the peer sends no more                                           crates/standin/tests/faults/planted.rs
                +TIME  not as expected: exactly 100 bytes: the stream ended after 60 bytes      crates/standin/tests/faults/planted.rs
              help: the bytes before the end are kept: receive_some and receive_to_end return them
              code: standin::socket::receive_peer_closed
        "#]],
    );
}

#[test]
fn a_reset() {
    check(
        "reset",
        &["reset"],
        expect![[r#"
            standin: environment "session" at its end, after something had gone wrong:
              STARTED: "server", "client"
              what was recorded: ARTIFACTS/session/RUN/report.html (beside it transcript.txt, capture.pcapng)
            Error: client "client", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): the connection was reset at once (limit 30s): wanted exactly 4 bytes, received nothing; the stream was reset
              at crates/standin/tests/faults/planted.rs
              all 3 records of client#0 (127.0.0.1:PORT <-> server 127.0.0.1:PORT), up to +TIME
                +TIME  connected to server
                +TIME  -> 7 B  "LOGIN\r\n"   crates/standin/tests/faults/planted.rs
                +TIME  <- reset by the peer  crates/standin/tests/faults/planted.rs
              help: the peer was killed, closed without reading everything, or reset the connection on purpose
              code: standin::socket::receive_reset
        "#]],
    );
}

#[test]
fn a_slow_probe() {
    check(
        "slow_probe",
        &["is migrated", "step 1 of 900"],
        expect![[r#"
            Error: environment "shop" did not start: driver "database" was not ready after TIME (N checks): is migrated: step 1 of 900
              Information from log file: RUN/shop/database/stdout
                step 1 of 900
              at crates/standin/tests/faults/planted.rs
              start of "shop": TIME
                bank      +TIME  TIME  |BAR|
                database  +TIME  TIME  |BAR|  failed: it took too long
                          log `step 1` in stdout: met at +TIME
                waiting for database: client
                critical path: bank TIME -> database TIME
              help: find out why it is not ready, or raise its `timeout` (now TIME)
                the files of the drivers are kept in RUN/shop
                what was recorded: ARTIFACTS/shop/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::entity::start_timeout
        "#]],
    );
}

#[test]
fn a_wrong_port() {
    check(
        "wrong_port",
        &[],
        expect![[r#"
            Error: environment "proxy" did not start: driver "client" could not be started
              at crates/standin/tests/faults/planted.rs
              caused by: client "client": connection refused to 127.0.0.1:PORT at once (limit 30s)
                  127.0.0.1:PORT: Connection refused (os error 111)
              start of "proxy": TIME
                server  +TIME  TIME  |BAR|
                client  +TIME  TIME  |BAR|  failed
                critical path: server TIME -> client TIME
              help: nothing listens there: start the server first, or let the client retry until its deadline
              help: what was recorded: ARTIFACTS/proxy/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::socket::connect_refused
        "#]],
    );
}

#[test]
fn a_dependency_that_never_gets_ready() {
    check(
        "dependency",
        &["accepts connections"],
        expect![[r#"
            Error: environment "shop" did not start: driver "database" was not ready after TIME (N checks): accepts connections: loading the data set, 3 %
              at crates/standin/tests/faults/planted.rs
              start of "shop": TIME
                redis     +TIME  TIME  |BAR|
                database  +TIME  TIME  |BAR|  failed: it took too long
                waiting for database: app, web, worker
                critical path: redis TIME -> database TIME
              help: find out why it is not ready, or raise its `timeout` (now TIME)
                the files of the drivers are kept in RUN/shop
                what was recorded: ARTIFACTS/shop/RUN/report.html (beside it transcript.txt, capture.pcapng)
              code: standin::entity::start_timeout
        "#]],
    );
}

#[test]
fn a_process_that_crashes() {
    check(
        "crash",
        &["ended with exit code 3</li>", "no such table: accounts"],
        expect![[r#"
            standin: environment "accounts" at its end, after something had gone wrong:
              process "app": STARTED, has ended with exit code 3
                Information from log file: RUN/accounts/app/stderr
                  no such table: accounts
    
                Information from log file: RUN/accounts/app/stdout
                  ready
              STARTED: "upstream"
              files: RUN/accounts
              what was recorded: ARTIFACTS/accounts/RUN/report.html (beside it transcript.txt, capture.pcapng)
            Error: server "upstream" (at 127.0.0.1:PORT): nobody connected after TIME; 0 accepted so far
            meanwhile: process "app" has ended with exit code 3
              Information from log file: RUN/accounts/app/stderr
                no such table: accounts
  
              Information from log file: RUN/accounts/app/stdout
                ready
            files: RUN/accounts
              at crates/standin/tests/faults/planted.rs
              help: check that the peer connects to this address, and when; or wait longer; in an async test a wait must not block the thread on which the peer runs: await `accept_connection_async`
              code: standin::socket::accept_timed_out
        "#]],
    );
}

#[test]
fn an_unexpected_frame() {
    check(
        "unexpected_frame",
        &["BALNCE 17"],
        expect![[r#"
            Error: the test failed, and environment "bank" did not stop cleanly
              at crates/standin/tests/faults/planted.rs
              caused by: driver "program" stopped waiting
                driver "bank" failed the test: server "bank", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): unexpected frame "BALNCE 17"
                  rule 1 ("balance", prefix "BALANCE "): at byte 3 is "NCE 17" instead of "ANCE " (the closest)
                  rule 2 (equals "QUIT"): begins differently
                at crates/standin/tests/faults/planted.rs
              also: environment "bank" did not stop cleanly: driver "bank" was not used as the test expects
                help: add a rule for it, or handle it with `otherwise`
                help: what was recorded: ARTIFACTS/bank/RUN/report.html (beside it transcript.txt, capture.pcapng)
                code: standin::reply::unexpected_frame
              all 5 records of bank#0 (127.0.0.1:PORT <-> program 127.0.0.1:PORT), up to +TIME
                +TIME  accepted program
                +TIME  <- 11 B  "BALANCE 16\n"
                +TIME  -> 4 B  "100\n"
                +TIME  <- 10 B  "BALNCE 17\n"
                +TIME  not as expected: frame "BALNCE 17"
              files: RUN/bank
              help: fix what failed the test first
              code: standin::tcp::interrupted
        "#]],
    );
}

#[test]
fn a_truncated_message() {
    check(
        "truncated",
        &["8=FIX.4.2|55=I"],
        expect![[r#"
            standin: environment "orders" at its end, after something had gone wrong:
              STARTED: "server", "client"
              what was recorded: ARTIFACTS/orders/RUN/report.html (beside it transcript.txt, capture.pcapng)
            Error: server "server", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): the peer closed the connection at once (limit 30s): wanted "8=FIX.4.2|55=IBM|", received 14 bytes; the peer has closed the stream
              00000000  38 3d 46 49 58 2e 34 2e  32 7c 35 35 3d 49        |8=FIX.4.2|55=I|
              at crates/standin/tests/faults/planted.rs
              all 4 records of server#0 (127.0.0.1:PORT <-> client 127.0.0.1:PORT), up to +TIME
                +TIME  accepted client                                                        crates/standin/tests/faults/planted.rs
                +TIME  <- 14 B  "8=FIX.4.2|55=I"                                              crates/standin/tests/faults/planted.rs
                +TIME  <- end: the peer sends no more                                         crates/standin/tests/faults/planted.rs
                +TIME  not as expected: "8=FIX.4.2|55=IBM|": the stream ended after 14 bytes  crates/standin/tests/faults/planted.rs
              help: the bytes before the end are kept: receive_some and receive_to_end return them
              code: standin::socket::receive_peer_closed
        "#]],
    );
}
