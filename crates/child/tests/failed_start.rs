//! A start that fails leaves nothing: alone in its process, as others open and close descriptors.
#![cfg(target_os = "linux")]

use std::fs;

use standin_child::Command;

#[test]
fn a_failed_start_leaves_nothing() {
    let fails = || Command::new("/no/such/program").spawn().unwrap_err();
    // What is opened once for the process stays.
    fails();
    let before = descriptors_and_children();
    for _ in 0..20 {
        fails();
    }
    assert_eq!(descriptors_and_children(), before);
}

fn descriptors_and_children() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
        + fs::read_to_string("/proc/thread-self/children")
            .map_or(0, |children| children.split_whitespace().count())
}
