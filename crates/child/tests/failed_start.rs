//! A start that fails leaves nothing: alone in its process, as others open and close descriptors.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use standin_child::Command;
use support::descriptors_and_children;

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
