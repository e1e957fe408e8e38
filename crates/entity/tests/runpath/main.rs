//! Runpaths: where they are, what is in them, and that nobody shares one by accident.

#![expect(
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in it fails the test"
)]

mod contents;
mod sharing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use standin_entity::{Entity, Resource, Result, RunpathError, Steps, default_root};
use tempfile::TempDir;

fn temporary() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}

fn entity(name: &str) -> Entity {
    Entity::new(name).unwrap()
}

/// An entity with a runpath, to be the parent of others.
fn parent(path: &Path) -> Entity {
    let parent = entity("parent");
    parent.define_runpath(Some(path.to_owned())).unwrap();
    parent
}

fn child(parent: &Entity, name: &str) -> Entity {
    let child = entity(name);
    child.join(parent).unwrap();
    child
}

/// What is in a directory, without the marker of standin's.
fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".standin")
        .collect();
    names.sort();
    names
}

#[test]
fn an_explicit_runpath_comes_first() {
    let (_dir, tmp) = temporary();
    let child = child(&parent(&tmp.join("parent")), "d");
    assert_eq!(
        child.define_runpath(Some(tmp.join("mine"))).unwrap(),
        tmp.join("mine")
    );
}

#[test]
fn then_the_parent_s_with_the_slug_of_the_name() {
    let (_dir, tmp) = temporary();
    let child = child(&parent(&tmp), "My Driver!");
    assert_eq!(child.define_runpath(None).unwrap(), tmp.join("my-driver"));
    // Nothing is made yet.
    assert!(names(&tmp).is_empty() && child.scratch().is_none());
}

#[test]
fn an_empty_explicit_runpath_is_none() {
    let (_dir, tmp) = temporary();
    let child = child(&parent(&tmp), "d");
    assert_eq!(
        child.define_runpath(Some(PathBuf::new())).unwrap(),
        tmp.join("d")
    );
}

#[test]
fn a_relative_one_is_made_absolute() {
    let here = std::env::current_dir().unwrap();
    let entity = entity("d");
    let runpath = entity.define_runpath(Some("not-made/./d/".into())).unwrap();
    assert_eq!(runpath, here.join("not-made/d"));
    assert_eq!(entity.runpath(), Some(runpath));
}

#[cfg(unix)]
#[test]
fn one_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let (_dir, tmp) = temporary();
    let path = tmp.join(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let error = entity("d").define_runpath(Some(path)).unwrap_err();
    assert!(matches!(error, RunpathError::NotUtf8 { .. }), "{error}");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("`{{ runpath }}`"), "{help}");
}

#[test]
fn then_the_default_root_also_when_the_parent_has_none() {
    let root = default_root().unwrap();
    assert!(
        root.to_string_lossy()
            .contains(&format!("-{}", std::process::id()))
    );
    assert_eq!(
        entity("My Driver!").define_runpath(None).unwrap(),
        root.join("my-driver")
    );
    let child = child(&entity("parent"), "abc");
    assert_eq!(child.define_runpath(None).unwrap(), root.join("abc"));
}

#[test]
fn asking_again_gives_the_same() {
    let (_dir, tmp) = temporary();
    let parent = parent(&tmp);
    let (a, b) = (child(&parent, "a b"), child(&parent, "a-b"));
    for _ in 0..2 {
        assert_eq!(a.define_runpath(None).unwrap(), tmp.join("a-b"));
        assert_eq!(b.define_runpath(None).unwrap(), tmp.join("a-b-2"));
    }
}

/// The default root is one for all tests of this program: those that use it, or look whether it is
/// gone, take turns.
fn turn_with_the_default_root() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn removing_it_leaves_nothing_behind() {
    let _turn = turn_with_the_default_root();
    let entity = entity("to be removed");
    let runpath = entity.make_runpath_dirs(true).unwrap();
    assert!(runpath.starts_with(default_root().unwrap()));
    fs::write(runpath.join("file"), "x").unwrap();
    entity.remove_runpath().unwrap();
    assert!(!runpath.exists() && !default_root().unwrap().exists());
    // Once more, and without one, it does nothing.
    entity.remove_runpath().unwrap();
    Entity::new("none").unwrap().remove_runpath().unwrap();
}

// Nobody shares one by accident.

#[test]
fn names_with_the_same_slug_get_a_directory_each() {
    let (_dir, tmp) = temporary();
    let parent = parent(&tmp);
    let (p, q) = (child(&parent, "a b"), child(&parent, "a-b"));
    let kept = p.make_runpath_dirs(true).unwrap().join("file");
    fs::write(&kept, "x").unwrap();
    q.make_runpath_dirs(true).unwrap();
    assert!(kept.exists());
}

#[test]
fn a_name_without_a_slug_never_takes_the_parent_s_directory() {
    let (_dir, tmp) = temporary();
    fs::write(tmp.join("precious.txt"), "x").unwrap();
    let parent = parent(&tmp);
    let all = ["日本", "東京", "!!!"].map(|name| child(&parent, name));
    let paths = all
        .each_ref()
        .map(|child| child.make_runpath_dirs(true).unwrap());
    assert_eq!(
        paths,
        ["unnamed", "unnamed-2", "unnamed-3"].map(|name| tmp.join(name))
    );
    assert!(tmp.join("precious.txt").exists());
}

#[test]
fn a_directory_is_free_again_when_its_entity_is_gone() {
    let (_dir, tmp) = temporary();
    let parent = parent(&tmp);
    for _ in 0..3 {
        assert_eq!(
            child(&parent, "a").define_runpath(None).unwrap(),
            tmp.join("a")
        );
    }
}

#[test]
fn what_an_entity_left_in_the_default_root_is_evidence_and_stays() {
    let _turn = turn_with_the_default_root();
    let first = entity("the same name, one after the other");
    let left = first.define_runpath(None).unwrap();
    first.make_runpath_dirs(true).unwrap();
    std::fs::write(left.join("evidence.txt"), "it").unwrap();
    drop(first);
    let second = entity("the same name, one after the other");
    assert_ne!(second.define_runpath(None).unwrap(), left);
    second.make_runpath_dirs(true).unwrap();
    assert!(left.join("evidence.txt").exists());
    second.remove_runpath().unwrap();
    std::fs::remove_dir_all(&left).unwrap();
    let _ = std::fs::remove_dir(left.parent().unwrap());
}

#[test]
fn a_directory_is_the_same_however_it_is_written() {
    let first = entity("first");
    let here = std::env::current_dir().unwrap();
    first.define_runpath(Some("not-made/same".into())).unwrap();
    let parent = entity("parent");
    parent.define_runpath(Some(here.join("not-made/"))).unwrap();
    let same = child(&parent, "same");
    assert_eq!(
        same.define_runpath(None).unwrap(),
        here.join("not-made/same-2")
    );
}

#[test]
fn a_derived_runpath_avoids_an_explicit_one() {
    let (_dir, tmp) = temporary();
    let other = entity("other");
    other.define_runpath(Some(tmp.join("a"))).unwrap();
    assert_eq!(
        child(&parent(&tmp), "a").define_runpath(None).unwrap(),
        tmp.join("a-2")
    );
}
