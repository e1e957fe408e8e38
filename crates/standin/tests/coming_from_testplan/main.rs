//! That the page for those who come from testplan leaves nothing out, and names what there is.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;

mod names;

const PAGE: &str = include_str!("../../../../docs/coming-from-testplan.md");

/// Compiled above, so what it names is there.
const NAMES: &str = include_str!("names.rs");

/// The public members of testplan 25.8.0's `TCPServer`, as `dir` lists them.
const SERVER: &str = "
    CONFIG EXTRACTORS STATUS abort abort_dependencies aborted aborting accept_connection active
    async_start auto_start cfg close_connection connection_identifier context context_input
    define_runpath errpath extract_values failover fetch_error_log filter_locals force_started
    force_stop get_connections host install_files is_alive local_host local_port logger logpath
    make_runpath_dirs name outpath parent pause pausing pending_work port post_start post_stop
    pre_start pre_stop receive receive_text register_failover report restart resume resuming
    runpath scratch send send_text socket start start_timeout started_check
    started_check_interval starting status stop stop_timeout stopped_check
    stopped_check_interval stopped_check_with_watch stopping timer uid wait
";

/// The same of its `TCPClient`.
const CLIENT: &str = "
    CONFIG EXTRACTORS STATUS abort abort_dependencies aborted aborting active async_start
    auto_start cfg close connect connection_identifier context context_input define_runpath
    errpath extract_values failover fetch_error_log filter_locals force_started force_stop
    get_connections host install_files is_alive local_host local_port logger logpath
    make_runpath_dirs name outpath parent pause pausing pending_work port post_start post_stop
    pre_start pre_stop receive receive_text reconnect register_failover report restart resume
    resuming runpath scratch send send_text send_tsp server_port start start_timeout
    started_check started_check_interval starting status stop stop_timeout stopped_check
    stopped_check_interval stopped_check_with_watch stopping timer uid wait
";

/// The rows of the table: member, whose it is, what it is called here.
fn rows() -> Vec<(&'static str, &'static str, &'static str)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{line}");
        (cells[0].trim_matches('`'), cells[1], cells[2])
    });
    rows.collect()
}

#[test]
fn every_member_has_a_row() {
    let of = |whose: &str| -> BTreeSet<&str> {
        let rows = rows().into_iter();
        rows.filter(|row| row.1 == whose || row.1 == "both")
            .map(|row| row.0)
            .collect()
    };
    assert_eq!(of("server"), SERVER.split_whitespace().collect());
    assert_eq!(of("client"), CLIENT.split_whitespace().collect());
    assert_eq!(
        rows().len(),
        of("server").union(&of("client")).count(),
        "once each"
    );
}

#[test]
fn what_the_table_names_is_there() {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut known: BTreeSet<&str> = NAMES.split(|c| !is_word(c)).collect();
    // A row may refer to another one.
    known.extend(rows().iter().map(|row| row.0));
    for (member, _, here) in rows() {
        let code = here.split('`').skip(1).step_by(2);
        for word in code.flat_map(|code| code.split(|c| !is_word(c))) {
            // One letter stands for a number; the others for an argument.
            let is_placeholder = word.len() < 2
                || [
                    "index", "timeout", "limit", "bytes", "text", "level", "message", "factory",
                ]
                .contains(&word);
            assert!(is_placeholder || known.contains(word), "{member}: {word}");
        }
    }
}
