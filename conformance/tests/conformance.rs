//! The runner: on the recorded vectors, and on vectors that must not pass.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn conformance(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_standin-conformance"))
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

/// Runs one vector of these steps, with `listed` among the differences, and this
/// page.
fn run(steps: &Value, listed: &str, page: &str) -> Output {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let vector = json!({"id": "own-1", "title": "a vector of ours", "steps": steps});
    let file = json!({"area": "own", "count": 1, "vectors": [vector]});
    let path = |name: &str| folder.path().join(name).display().to_string();
    let [vectors, differences, reasons] = ["own.json", "own.toml", "own.md"].map(path);
    fs::write(&vectors, file.to_string()).expect("it is ours");
    fs::write(&differences, listed).expect("it is ours");
    fs::write(&reasons, page).expect("it is ours");
    let lists = ["--differences", &differences, "--page", &reasons];
    conformance(&[&[vectors.as_str()], &lists[..]].concat())
}

#[track_caller]
fn check(steps: &Value, listed: &str, passes: bool, says: &str) {
    let page = if listed.is_empty() { "" } else { PAGE };
    check_output(&run(steps, listed, page), passes, says);
}

#[track_caller]
fn check_output(output: &Output, passes: bool, says: &str) {
    let text = text(output);
    assert_eq!(output.status.success(), passes, "{text}");
    assert!(text.contains(says), "{text}");
}

const LISTED: &str = "[own-1]\n0 = '80'";
const PAGE: &str = "| why | vectors |\n| --- | --- |\n| it is right | own-1 |\n";
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
    let entry = "as an entry of differences.toml:\n    [own-1]\n    0 = \"80\"";
    check(&steps, "", false, entry);
    check(&steps, LISTED, true, DELIBERATE);
    check(&steps, &LISTED.replace("80", "82"), false, "listed 82");
    check(&steps, "[own-1]\n0 = ['82', '80']", true, DELIBERATE);
}

#[test]
fn a_listed_difference_has_to_be_one() {
    check(
        &port_80_is(80),
        LISTED,
        false,
        "the listed difference is not there",
    );
    let beyond = "[own-1]\n0 = '80'\n1 = '80'";
    check(&port_80_is(81), beyond, false, "there is no step 1");
}

#[test]
fn a_difference_has_to_have_a_reason_and_a_reason_a_difference() {
    let output = run(&port_80_is(81), LISTED, "");
    check_output(&output, false, "no row names own-1");
    let output = run(&port_80_is(80), "", PAGE);
    check_output(&output, false, "there is a reason for own-1");
}

#[test]
fn lists_that_make_no_sense_are_refused() {
    check(
        &port_80_is(80),
        "[own-1]\ntwo = '80'",
        false,
        "`two` is not the number of a step",
    );
    let output = run(&port_80_is(80), "", &PAGE.replace("own-1", "own"));
    check_output(&output, false, "line 3: `own` is not the id of a vector");
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
