//! `standin every-cut` with programs that everybody uses, where they are installed. With
//! `STANDIN_REQUIRE_PEERS` set a missing program is a failure.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::support::{Ended, Place};

/// Prints the page that it has got, unless curl reports an error, which is right.
const CURL: &str = r#"page=$(curl -s -m 10 --noproxy '*' "${URL}page") || exit 0
[ "$page" = "hello world" ] || { echo "no error, and got '$page'"; exit 1; }"#;

/// An answer or an error.
const REDIS_CLI: &str = r#"said=$(redis-cli -p $PORT GET colour 2>&1)
case "$said" in green | Error*) ;; *) echo "said '$said'"; exit 1 ;; esac"#;

/// Whether a program is here. If not the test is skipped, and says so past the capture of its
/// output.
fn is_here(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return true;
    }
    assert!(
        std::env::var_os("STANDIN_REQUIRE_PEERS").is_none(),
        "`{program}` is not installed, and STANDIN_REQUIRE_PEERS is set: install it, or unset the \
         variable"
    );
    let said = format!("\nNOT TESTED: `{program}` is not installed\n\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    false
}

/// A file of the example.
fn file(name: &str) -> PathBuf {
    let files = "../../examples/every-cut/files";
    Path::new(env!("CARGO_MANIFEST_DIR")).join(files).join(name)
}

/// Runs a command of the shell with every cut by these faults, which end connections.
fn every_cut(environment: &str, faults: &str, script: &str) -> Ended {
    run(environment, &["--faults", faults, "--limit", "20s"], script)
}

/// Runs it with this cut alone.
fn one_cut(environment: &str, cut: &str, script: &str) -> Ended {
    run(environment, &["--cut", cut, "--limit", "8s"], script)
}

fn run(environment: &str, options: &[&str], script: &str) -> Ended {
    let place = Place::new();
    let environment = file(environment);
    let mut words = vec!["every-cut", environment.to_str().unwrap()];
    words.extend(options);
    words.extend(["--", "sh", "-c", script]);
    let ended = place.run(&words);
    place.check_left(&ended);
    ended
}

#[track_caller]
fn check_hangs(ended: &Ended) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stdout.contains("0 passed, 0 failed, 1 hung"),
        "{ended:?}"
    );
}

/// The answer is cut between its first header and the second. What is there is taken for all of the
/// headers, and nothing says that a body is missing.
#[test]
fn curl_takes_an_answer_that_ends_between_two_headers_for_an_empty_page() {
    if is_here("curl") {
        let ended = every_cut("http.toml", "reset,close,half-close", CURL);
        let said = &ended.stdout;
        assert_eq!(ended.code, Some(1), "{said}");
        let smallest = "the smallest cut that breaks it: wan:0:down:frame1:close\n";
        assert!(said.contains(smallest), "{said}");
        assert!(said.contains("  | no error, and got ''"), "{said}");
        let broken: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("wan:0:") && line.contains("FAILED"))
            .collect();
        let row = "wan:0:down:frame1  passed       FAILED       FAILED";
        assert_eq!(broken, [row], "{said}");
    }
}

#[test]
fn curl_without_a_time_limit_hangs_in_silence() {
    if is_here("curl") {
        let get = r#"curl -s --noproxy '*' "${URL}page""#;
        check_hangs(&one_cut("http.toml", "wan:0:down:frame0:silence", get));
    }
}

#[test]
fn http_client_takes_an_answer_that_ends_between_two_headers_for_an_empty_page() {
    if is_here("python3") {
        let get = http_client("10");
        let between = one_cut("http.toml", "wan:0:down:frame1:close", &get);
        assert_eq!(between.code, Some(1), "{between:?}");
        assert_eq!(between.stderr, "no error, and got b''\n");
        // After all headers it knows that there is more.
        let after = one_cut("http.toml", "wan:0:down:frame2:close", &get);
        assert_eq!(after.code, Some(0), "{after:?}");
    }
}

#[test]
fn http_client_without_a_time_limit_hangs_in_silence() {
    if is_here("python3") {
        let get = http_client("");
        check_hangs(&one_cut("http.toml", "wan:0:down:frame0:silence", &get));
    }
}

/// Gets the page with this time limit.
fn http_client(limit: &str) -> String {
    format!(
        "python3 '{}' \"${{URL}}page\" {limit}",
        file("get.py").display()
    )
}

#[test]
fn redis_cli_reports_every_end_and_hangs_in_silence() {
    if is_here("redis-cli") {
        let ended = every_cut("redis.toml", "reset,close,half-close", REDIS_CLI);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended.stdout.contains(" passed, 0 failed, 0 hung"),
            "{ended:?}"
        );
        let get = "redis-cli -p $PORT GET colour";
        check_hangs(&one_cut("redis.toml", "wan:0:up:frame0:silence", get));
    }
}
