//! Starts when there are few descriptors left: alone in its process, whose limit it lowers.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use std::fs;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use standin_child::{Command, Exit, SpawnError};
use support::descriptors_and_children;

#[test]
fn a_start_works_or_says_that_descriptors_are_missing_and_leaves_nothing() {
    let mut command = Command::new("true");
    let mut start = || command.spawn().map(|child| child.wait(None));
    // What is opened once for the process stays.
    start().unwrap();
    let before = descriptors_and_children();
    let usual = getrlimit(Resource::Nofile);
    let (mut succeeded, mut failed) = (0, 0);
    for free in 0..20 {
        let limit = Rlimit {
            current: Some(limit(free)),
            ..usual
        };
        setrlimit(Resource::Nofile, limit).unwrap();
        let started = start();
        setrlimit(Resource::Nofile, usual).unwrap();
        match started {
            Ok(exit) => {
                assert_eq!(exit, Some(Exit::Code(0)));
                succeeded += 1;
            }
            Err(SpawnError::System { source, .. }) => {
                let missing = rustix::io::Errno::MFILE.raw_os_error();
                assert_eq!(source.raw_os_error(), Some(missing), "{free}: {source}");
                failed += 1;
            }
            Err(error) => panic!("{free}: {error}"),
        }
        assert_eq!(descriptors_and_children(), before, "{free}");
    }
    assert!(succeeded > 0 && failed > 0);
}

/// A limit below which `free` numbers are left for descriptors.
fn limit(free: usize) -> u64 {
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let numbers = open.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let mut open: Vec<u64> = numbers.collect();
    // That of the list itself, which was the lowest that was free, is closed again.
    let list = (0..).find(|number| !Path::new(&format!("/proc/self/fd/{number}")).exists());
    open.retain(|number| Some(*number) != list);
    let mut unused = (0..).filter(|number| !open.contains(number));
    unused.nth(free).unwrap()
}
