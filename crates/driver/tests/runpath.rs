//! The runpath of a driver that belongs to nothing.

#![expect(clippy::unwrap_used, reason = "a test program")]

mod support;

use std::fs;

use standin_driver::{Driver, Lifecycle};
use support::{Stub, StubBuilder};

fn writer(options: StubBuilder) -> Stub {
    let mut stub: Stub = options.name("writer").build().unwrap();
    stub.writes = vec![("notes.txt".into(), b"kept".to_vec())];
    stub
}

#[test]
fn one_that_a_closure_has_computed_stays_after_a_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    // An empty one is as good as none.
    for empty in [false, true] {
        let root = root.clone();
        let options = StubBuilder::new().runpath_of(move |driver| root.join(driver.name()));
        let options = if empty { options.runpath("") } else { options };
        let driver = writer(options);
        driver.start().unwrap();
        driver.stop().unwrap();
        drop(driver);
        let notes = folder.path().join("writer/notes.txt");
        assert_eq!(fs::read_to_string(&notes).unwrap(), "kept");
        fs::remove_file(notes).unwrap();
    }
}

#[test]
fn a_computed_one_that_is_empty_stands_for_the_default_which_goes() {
    let driver = writer(StubBuilder::new().runpath_of(|_| "".into()));
    driver.start().unwrap();
    let runpath = driver.base().entity().runpath().unwrap();
    assert!(runpath.join("notes.txt").exists());
    driver.stop().unwrap();
    assert!(!runpath.exists());
}
