//! `cargo xtask conformance`: on the recorded vectors, and on vectors that must
//! not pass.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn conformance(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("conformance")
        .args(arguments)
        .output()
        .expect("the program was built for this test")
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

#[test]
fn standin_behaves_as_recorded() {
    let output = conformance(&[]);
    assert!(output.status.success(), "{}", text(&output));
}

/// Runs one vector of these steps, with this row among the differences.
fn run(steps: &Value, row: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let vector = json!({"id": "own-1", "title": "a vector of ours", "steps": steps});
    let file = json!({"area": "own", "count": 1, "vectors": [vector]});
    let (vectors, differences) = (folder.path().join("own.json"), folder.path().join("own.md"));
    fs::write(&vectors, file.to_string()).expect("it is ours");
    fs::write(&differences, format!("# Differences\n\n{row}\n")).expect("it is ours");
    let path = |path: &Path| path.display().to_string();
    conformance(&[&path(folder.path()), "--differences", &path(&differences)])
}

#[track_caller]
fn check(steps: &Value, row: &str, passes: bool, says: &str) {
    let output = run(steps, row);
    let text = text(&output);
    assert_eq!(output.status.success(), passes, "{text}");
    assert!(text.contains(says), "{text}");
}

const ROW: &str = "| own-1 | `0: 80` | a reason that is long enough |";
const PASSED: &str = "own                  1           0       0            0";
const DELIBERATE: &str = "own                  0           1       0            0";

fn port_80_is(expected: u16) -> Value {
    json!([{"op": "port_to_int", "args": {"value": "80"}, "expect": {"ok": expected}}])
}

#[test]
fn a_vector_that_agrees_passes() {
    check(&port_80_is(80), "", true, PASSED);
}

#[test]
fn a_difference_has_to_be_listed() {
    let steps = port_80_is(81);
    check(&steps, "", false, "as a row: | own-1 | `0: 80` | reason |");
    check(&steps, ROW, true, DELIBERATE);
    check(&steps, &ROW.replace("80", "82"), false, "listed 82");
}

#[test]
fn a_listed_difference_has_to_be_one() {
    check(&port_80_is(80), ROW, false, "the listed difference is none");
}

#[test]
fn what_is_correct_counts_more_than_what_was_recorded() {
    let steps = json!([{
        "op": "port_to_int", "args": {"value": "80"}, "expect": {"ok": 81}, "correct": {"ok": 80},
    }]);
    check(&steps, "", true, PASSED);
}

#[test]
fn operations_that_are_not_there_are_named() {
    let unknown = json!([{"op": "server.dance", "expect": {"ok": null}}]);
    check(&unknown, "", false, "unsupported operation server.dance");
    let python = json!([{"op": "config.repr", "on": "c", "expect": {"ok": ""}}]);
    check(&python, "", true, "unsupported: config.repr");
}

#[test]
fn a_vector_that_makes_no_sense_fails_and_says_why() {
    let steps = json!([{"op": "driver.start", "on": "nobody", "expect": {"ok": "STARTED"}}]);
    check(&steps, "", false, "there is no variable nobody");
}

#[test]
fn steps_can_block_and_run_beside_others() {
    let steps = json!([
        {"op": "server.new", "as": "s", "expect": {"ok": {"$obj": "Server"}}},
        {"op": "server.bind", "on": "s", "expect": {"ok": null}},
        {"op": "server.accept_connection", "on": "s", "args": {"timeout": 0.5}, "bg": "a",
         "timing": [0.4, 60], "expect": {"started": true}},
        {"op": "join", "args": {"handle": "a", "within": 0.1}, "expect": {"still_running": true}},
        {"op": "join", "args": {"handle": "a", "within": 60},
         "expect": {"ok": -1, "elapsed_s": {"min": 0.4, "max": 60}}},
        {"op": "server.accept_connection", "on": "s", "args": {"timeout": null}, "bound": 0.2,
         "expect": {"blocked": true, "bound_s": 0.2}},
    ]);
    check(&steps, "", true, PASSED);
}
