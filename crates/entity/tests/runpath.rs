//! Runpaths: where they are, what is in them, and that nobody shares one by accident.

#![expect(
    clippy::unwrap_used,
    reason = "a test program: what goes wrong in it fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};

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
    child.set_parent(parent).unwrap();
    child
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

// Where it is.

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
fn then_the_default_root_also_when_the_parent_has_none() {
    let root = default_root().unwrap();
    assert!(
        root.to_string_lossy()
            .ends_with(&format!("-{}", std::process::id()))
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

#[test]
fn removing_it_leaves_nothing_behind() {
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

#[test]
fn the_files_of_an_entity_that_runs_are_not_cleaned_up_by_another() {
    struct Quiet(Resource);
    impl Steps for Quiet {
        fn pre_start(&self) -> Result<()> {
            self.0.entity().make_runpath_dirs(true)?;
            Ok(())
        }
    }
    let (_dir, tmp) = temporary();
    let [first, second] = ["first", "second"].map(|name| {
        let resource = Resource::new(name).unwrap();
        resource
            .entity()
            .define_runpath(Some(tmp.join("shared")))
            .unwrap();
        Quiet(resource)
    });
    first.0.start(&first).unwrap();
    let error = second.0.entity().make_runpath_dirs(true).unwrap_err();
    assert!(matches!(error, RunpathError::Shared { .. }));
    assert!(
        error.to_string().ends_with("resource[first] is using it"),
        "{error}"
    );
    // To share one without emptying it is a decision that may be taken.
    second.0.entity().make_runpath_dirs(false).unwrap();
    second.0.entity().release_runpath();
    // And what has stopped does not mind.
    first.0.stop(&first).unwrap();
    second.0.start(&second).unwrap();
}

#[test]
fn nor_by_one_that_is_above_it() {
    let (_dir, tmp) = temporary();
    let above = parent(&tmp.join("above"));
    let below = child(&above, "below");
    below.make_runpath_dirs(true).unwrap();
    let error = above.make_runpath_dirs(true).unwrap_err();
    assert!(matches!(error, RunpathError::Shared { .. }), "{error}");
    assert!(above.remove_runpath().is_err());
    below.release_runpath();
    above.make_runpath_dirs(true).unwrap();
    assert_eq!(names(&tmp.join("above")), ["scratch"]);
}

#[test]
fn many_threads_get_a_directory_each() {
    let (_dir, tmp) = temporary();
    let parent = parent(&tmp);
    let children: Vec<Entity> = (0..16).map(|_| child(&parent, "same")).collect();
    std::thread::scope(|scope| {
        for child in &children {
            scope.spawn(|| child.make_runpath_dirs(true).unwrap());
        }
    });
    assert_eq!(names(&tmp).len(), 16);
}

// What is in it.

#[test]
fn runpath_and_scratch_are_made_with_their_parents() {
    let (_dir, tmp) = temporary();
    let entity = entity("d");
    entity.define_runpath(Some(tmp.join("x/y/z"))).unwrap();
    assert_eq!(entity.scratch(), None);
    entity.make_runpath_dirs(true).unwrap();
    assert_eq!(names(&tmp.join("x/y/z")), ["scratch"]);
    assert_eq!(entity.scratch(), Some(tmp.join("x/y/z/scratch")));
}

#[test]
fn cleaning_up_empties_the_runpath_and_not_cleaning_up_keeps_it() {
    let (_dir, tmp) = temporary();
    for (cleanup, left) in [
        (false, vec!["old.txt", "scratch", "sub"]),
        (true, vec!["scratch"]),
    ] {
        fs::create_dir_all(tmp.join("d/sub")).unwrap();
        fs::create_dir_all(tmp.join("d/scratch")).unwrap();
        for file in ["d/old.txt", "d/sub/old.txt", "d/scratch/old.txt"] {
            fs::write(tmp.join(file), "x").unwrap();
        }
        let entity = entity("d");
        entity.define_runpath(Some(tmp.join("d"))).unwrap();
        entity.make_runpath_dirs(cleanup).unwrap();
        assert_eq!(names(&tmp.join("d")), left);
        assert_eq!(names(&tmp.join("d/scratch")).is_empty(), cleanup);
    }
}

#[test]
fn what_is_in_use_is_not_emptied_by_its_own_entity() {
    let (_dir, tmp) = temporary();
    let entity = entity("d");
    entity.define_runpath(Some(tmp.join("d"))).unwrap();
    entity.make_runpath_dirs(true).unwrap();
    fs::write(tmp.join("d/file"), "x").unwrap();
    entity.make_runpath_dirs(true).unwrap();
    assert_eq!(names(&tmp.join("d")), ["file", "scratch"]);
    entity.release_runpath();
    entity.make_runpath_dirs(true).unwrap();
    assert_eq!(names(&tmp.join("d")), ["scratch"]);
}

#[test]
fn a_file_in_its_place_is_replaced_or_refused() {
    let (_dir, tmp) = temporary();
    let path = tmp.join("d");
    fs::write(&path, "x").unwrap();
    let entity = entity("d");
    entity.define_runpath(Some(path.clone())).unwrap();
    let error = entity.make_runpath_dirs(false).unwrap_err();
    assert!(
        matches!(error, RunpathError::NotADirectory { .. }),
        "{error}"
    );
    assert!(path.is_file());
    entity.make_runpath_dirs(true).unwrap();
    assert!(path.is_dir());
}

#[test]
fn a_file_above_it_is_an_error_that_names_it() {
    let (_dir, tmp) = temporary();
    fs::write(tmp.join("file"), "x").unwrap();
    let entity = entity("d");
    entity.define_runpath(Some(tmp.join("file/d"))).unwrap();
    for cleanup in [true, false] {
        let error = entity.make_runpath_dirs(cleanup).unwrap_err();
        assert!(error.to_string().contains("file/d"), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn the_directory_behind_a_link_is_emptied_and_links_inside_are_not_followed() {
    use std::os::unix::fs::symlink;
    let (_dir, tmp) = temporary();
    fs::create_dir_all(tmp.join("real")).unwrap();
    fs::create_dir_all(tmp.join("elsewhere")).unwrap();
    fs::write(tmp.join("real/old.txt"), "x").unwrap();
    fs::write(tmp.join("elsewhere/kept.txt"), "x").unwrap();
    symlink(tmp.join("elsewhere"), tmp.join("real/link")).unwrap();
    symlink(tmp.join("real"), tmp.join("d")).unwrap();
    let entity = entity("d");
    entity.define_runpath(Some(tmp.join("d"))).unwrap();
    entity.make_runpath_dirs(true).unwrap();
    assert_eq!(names(&tmp.join("d")), ["scratch"]);
    assert_eq!(names(&tmp.join("real")), ["scratch"]);
    assert!(tmp.join("elsewhere/kept.txt").exists());
    assert!(tmp.join("d").is_symlink());
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_replaced_or_refused() {
    let (_dir, tmp) = temporary();
    std::os::unix::fs::symlink(tmp.join("nowhere"), tmp.join("d")).unwrap();
    let entity = entity("d");
    entity.define_runpath(Some(tmp.join("d"))).unwrap();
    assert!(entity.make_runpath_dirs(false).is_err());
    entity.make_runpath_dirs(true).unwrap();
    assert!(!tmp.join("nowhere").exists() && tmp.join("d").is_dir());
}

#[test]
fn cleaning_up_never_empties_what_is_precious() {
    let here = std::env::current_dir().unwrap();
    for path in [
        PathBuf::from("."),
        here.clone(),
        here.parent().unwrap().to_owned(),
        PathBuf::from("/"),
    ] {
        let entity = entity("careless");
        entity.define_runpath(Some(path.clone())).unwrap();
        let error = entity.make_runpath_dirs(true).unwrap_err();
        assert!(
            matches!(error, RunpathError::Precious { .. }),
            "{path:?}: {error}"
        );
    }
    assert!(here.join("Cargo.toml").exists());
}
