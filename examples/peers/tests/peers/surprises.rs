//! Clients that do what nobody expects, and what there is to read then.

use example_peers::client::{python, redis_cli};
use example_peers::{environment, file, redis, run};
use expect_test::{Expect, expect};
use regex::Regex;
use standin::{DriverTypes, Environment, Result};

use crate::{SMALLEST, is_here};

/// What there is to read of a failed test; ports, times and the like are others each time.
#[track_caller]
fn report(outcome: Result<String>) -> String {
    let report = format!("{:?}\n", outcome.unwrap_err());
    let replacements = [
        (r"(127\.0\.0\.1|localhost):\d+", "$1:PORT"),
        (r"\.rs:\d+:\d+", ".rs"),
        (r"/\S+/standin/([^/]+)/[\w-]+/", "DIR/$1/RUN/"),
        // How a client cuts what it says is its own affair.
        (
            r"(?m)^( *)(all|the last) [^\n]* records of[^\n]*(\n +\+\d[^\n]*)+",
            "${1}RECORDS",
        ),
    ];
    replacements.iter().fold(report, |report, (from, to)| {
        let from = Regex::new(from).unwrap();
        from.replace_all(&report, *to).into_owned()
    })
}

/// Checks why something was unexpected. What stands around that depends on how far the environment
/// and the client have come when it happens.
#[track_caller]
fn explains(outcome: Result<String>, expected: Expect) {
    let report = report(outcome);
    let reason =
        Regex::new(r"server [^\n]*: unexpected[^\n]*(\n +(rule|closure) [^\n]*)+").unwrap();
    assert_eq!(report.matches("RECORDS").count(), 1, "once: {report}");
    let reason = reason.find(&report).map(|found| found.as_str());
    let lines = reason.unwrap_or(&report).lines();
    let text: String = lines
        .map(|line| format!("{}\n", line.trim_start()))
        .collect();
    expected.assert_eq(&text);
}

#[test]
fn a_client_says_it_in_other_letters() {
    if !is_here("python3") {
        return;
    }
    let env = DriverTypes::standard()
        .parse("mail.toml", SMALLEST)
        .unwrap();
    explains(
        run(env, python("send_mail.py", "smtp")),
        expect![[r#"
            server "smtp", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): unexpected frame "ehlo alice.example.com"
            rule 1 (pattern `^(EHLO|HELO) (?<who>\S+)$`): only the case of its letters differs (the closest)
            rule 2 (prefix "QUIT"): begins differently
        "#]],
    );
}

#[test]
fn a_client_does_less_than_it_must() {
    if !is_here("redis-cli") {
        return;
    }
    let env = Environment::from_file(file("redis.toml")).unwrap();
    let report = report(run(env, redis_cli("PING\nGET colour\n", "redis")));
    expect![[r#"
        environment "cache" did not stop cleanly: driver "redis" was not used as the test expects
          at examples/peers/src/lib.rs
          caused by: server "redis": 2 things did not happen as declared
          - server "redis": rule 3 ("set", pattern `(?i)\r\nSET\r\n\$6\r\ncolour\r\n\$5\r\ngreen\r\n$`) must match exactly once, and never did
          - server "redis": rule 5 ("get", pattern `(?i)\r\nGET\r\n\$6\r\ncolour\r\n$` in state "set") must match at least once, and never did
            RECORDS
            help: the peers had to do that before the end; wait for it with `wait_until` if they need time
            code: standin::reply::unmet
          help: the files of the drivers are kept in DIR/peers/RUN/cache
            what was recorded: DIR/cache/RUN/report.html (beside it transcript.txt, capture.pcapng)
          code: standin::reply::not_as_declared
    "#]].assert_eq(&report);
}

#[test]
fn a_client_asks_for_what_the_server_in_rust_does_not_know() {
    if !is_here("redis-cli") {
        return;
    }
    let env = environment("redis", redis::server()).unwrap();
    explains(
        run(env, redis_cli("PING\nINCR visits\n", "redis")),
        expect![[r#"
            server "redis", connection 0 (127.0.0.1:PORT <-> 127.0.0.1:PORT): unexpected frame "*2\r\n$4\r\nINCR\r\n$6\r\nvisits\r\n"
            rule 1 ("ping", predicate "is PING"): is not so
            rule 2 (predicate "is COMMAND"): is not so
            closure 1: does not answer it
        "#]],
    );
}
