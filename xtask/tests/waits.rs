//! Whatever drivers, connections, environments and logs have to wait for, a task can await: each
//! public method has a form whose name ends with `_async`, or is listed here, because it never
//! waits for anybody.

use std::fs;
use std::path::{Path, PathBuf};

/// Files with methods, those with their async forms, and the methods that never wait for a peer, a
/// program or another thread.
const METHODS: &[(&str, &str, &str)] = &[
    (
        "tcp/src/server.rs",
        "async/src/talk.rs",
        "builder of_kind host port socket refuse go_away come_back fill_queue connection \
         latest_connection close_connection authority",
    ),
    (
        "tcp/src/client.rs",
        "async/src/talk.rs",
        "builder of_kind server_host server_port local_host local_port close connection authority",
    ),
    ("tcp/src/answering.rs", "async/src/answers.rs", "ledger"),
    (
        "tcp/src/held.rs",
        "async/src/answers.rs tcp/src/held.rs",
        "index name peer_address frame capture state shutdown_write hand_back take",
    ),
    (
        "tcp/src/connection/mod.rs",
        "async/src/talk.rs tcp/src/talk.rs",
        "index socket local_address peer_address with_timeout with_encoding receive_buffered",
    ),
    (
        "tcp/src/connection/control.rs",
        "async/src/talk.rs",
        "close abort shutdown_write shutdown_read reset stop_reading set_receive_limit unread \
         is_open is_connected peer_has_ended stream_state",
    ),
    ("tcp/src/connection/text.rs", "tcp/src/talk.rs", ""),
    ("tcp/src/tls/connection.rs", "", "tls start_tls"),
    (
        "process/src/process.rs",
        "async/src/process.rs",
        "builder of_kind pid retcode exit command_line orphans close_stdin signal port",
    ),
    (
        "proxy/src/proxy.rs",
        "async/src/proxy.rs",
        "builder host port target set_link inject withdraw clear cut pause partition heal refuse \
         come_back accepted open bytes seed",
    ),
    ("proxy/src/rule.rs", "async/src/proxy.rs", "fault count"),
    (
        "driver/src/lifecycle.rs",
        "async/src/driver.rs",
        "name status interrupt context context_input render_template log_matcher err_matcher \
         last_log_lines transcript report",
    ),
    (
        "driver/src/log/matcher.rs",
        "async/src/log.rs",
        "new path match_between mark seek seek_end seek_start",
    ),
    (
        "environment/src/environment.rs",
        "async/src/environment.rs",
        "new builder from_file add add_as remove set_context set_parent add_dependency needs \
         register_failover",
    ),
    (
        "environment/src/running.rs",
        "async/src/environment.rs",
        "note_failure write_failure",
    ),
    (
        "environment/src/view.rs",
        "",
        "view name entity options get driver first drivers names statuses len is_empty report \
         transcript write_files variables exports connections runpath abort_handle",
    ),
    (
        "environment/src/abort.rs",
        "async/src/environment.rs",
        "is_aborted",
    ),
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the file is there, or is listed here no more")
}

/// The public methods of a file that its documentation shows.
fn methods(file: &str) -> Vec<String> {
    let is_trait = file.ends_with("lifecycle.rs");
    let mut methods = Vec::new();
    let mut is_hidden = false;
    for line in read(&crates().join(file)).lines() {
        let line = line.strip_prefix("    ").unwrap_or(line);
        // Those of macros are one step further in.
        let line = match file.ends_with("answering.rs") {
            true => line.strip_prefix("    ").unwrap_or(line),
            false => line,
        };
        is_hidden |= line == "#[doc(hidden)]";
        let function = match is_trait {
            true => line.strip_prefix("fn "),
            false => line.strip_prefix("pub fn "),
        };
        if let Some(function) = function {
            let end = function
                .find(['(', '<'])
                .expect("a function has parameters");
            if !is_hidden {
                methods.push(function[..end].to_owned());
            }
        }
        if line.contains("fn ") {
            is_hidden = false;
        }
    }
    methods
}

#[test]
fn every_method_that_waits_has_an_async_form() {
    let mut missing = Vec::new();
    for (file, forms, never) in METHODS {
        let forms = forms
            .split_whitespace()
            .map(|file| read(&crates().join(file)));
        let forms: String = forms.collect();
        let never: Vec<&str> = never.split_whitespace().collect();
        let methods = methods(file);
        for method in &methods {
            let has_form = ["(", "<"]
                .iter()
                .any(|next| forms.contains(&format!(" {method}_async{next}")));
            let is_listed = never.contains(&method.as_str());
            assert!(
                !(has_form && is_listed),
                "{file}: {method} has an async form, and is listed here"
            );
            if !has_form && !is_listed {
                missing.push(format!("{file}: {method}"));
            }
        }
        for listed in never {
            let is_there = methods.iter().any(|method| method == listed);
            assert!(is_there, "{file} has no method {listed} any more");
        }
    }
    assert!(
        missing.is_empty(),
        "these have no async form in crates/async, and are not listed in {} as never waiting:\n{}",
        file!(),
        missing.join("\n")
    );
}
