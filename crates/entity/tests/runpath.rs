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

#[cfg(unix)]
#[test]
fn however_its_path_is_written() {
    use std::os::unix::fs::symlink;
    let (_dir, tmp) = temporary();
    let first = entity("first");
    first.define_runpath(Some(tmp.join("real"))).unwrap();
    first.make_runpath_dirs(true).unwrap();
    fs::write(tmp.join("real/precious"), "x").unwrap();
    symlink(tmp.join("real"), tmp.join("link")).unwrap();
    symlink(&tmp, tmp.join("above")).unwrap();
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count());
    let relative = format!("{up}{}/real", tmp.strip_prefix("/").unwrap().display());
    for written in [
        "real/",
        "link",
        "above/link/.",
        "real/../link",
        "not-there/../real",
        "real/scratch/..",
        &relative,
    ] {
        let second = entity("second");
        second.define_runpath(Some(tmp.join(written))).unwrap();
        for error in [
            second.make_runpath_dirs(true).map(drop),
            second.remove_runpath(),
        ] {
            let error = error.unwrap_err();
            assert!(
                matches!(error, RunpathError::Shared { .. }),
                "{written}: {error}"
            );
        }
    }
    assert!(tmp.join("real/precious").exists());
}

#[test]
fn nor_by_one_that_is_in_it_and_does_not_belong_to_it() {
    let (_dir, tmp) = temporary();
    let first = entity("first");
    first.define_runpath(Some(tmp.join("d"))).unwrap();
    first.make_runpath_dirs(true).unwrap();
    fs::create_dir(tmp.join("d/etc")).unwrap();
    fs::write(tmp.join("d/etc/app.conf"), "x").unwrap();
    for path in ["d/etc", "d/new", "d/etc/deeper/still"] {
        let second = entity("second");
        second.define_runpath(Some(tmp.join(path))).unwrap();
        let error = second.make_runpath_dirs(true).unwrap_err();
        assert!(
            matches!(error, RunpathError::Shared { .. }),
            "{path}: {error}"
        );
    }
    // What belongs to it is in it by right.
    let own = child(&first, "own");
    own.define_runpath(Some(tmp.join("d/own"))).unwrap();
    own.make_runpath_dirs(true).unwrap();
    // But not in each other's.
    let sibling = child(&first, "sibling");
    sibling.define_runpath(Some(tmp.join("d/own/x"))).unwrap();
    assert!(sibling.make_runpath_dirs(true).is_err());
    assert!(tmp.join("d/etc/app.conf").exists());
}

#[test]
fn of_threads_that_want_one_directory_exactly_one_has_it() {
    let (_dir, tmp) = temporary();
    for round in 0..500 {
        let entities = [entity("first"), entity("second")];
        for entity in &entities {
            entity.define_runpath(Some(tmp.join("d"))).unwrap();
        }
        let barrier = std::sync::Barrier::new(entities.len());
        let made: Vec<_> = std::thread::scope(|scope| {
            let threads = entities.each_ref().map(|entity| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    let made = entity.make_runpath_dirs(true);
                    if let Ok(path) = &made {
                        fs::write(path.join(entity.name()), "x").unwrap();
                    }
                    made
                })
            });
            threads.map(|thread| thread.join().unwrap()).into()
        });
        let refused: Vec<_> = made.iter().filter_map(|made| made.as_ref().err()).collect();
        assert!(
            matches!(refused[..], [RunpathError::Shared { .. }]),
            "round {round}: {made:?}"
        );
        assert_eq!(names(&tmp.join("d")).len(), 2, "a file and the scratch");
    }
}

#[test]
fn nor_by_one_that_is_above_it() {
    let (_dir, tmp) = temporary();
    let above = parent(&tmp.join("above"));
    above.make_runpath_dirs(true).unwrap();
    above.release_runpath();
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
fn cleaning_up_empties_what_standin_made_and_not_cleaning_up_keeps_it() {
    let (_dir, tmp) = temporary();
    for (cleanup, left) in [
        (true, vec!["scratch"]),
        (false, vec!["old.txt", "scratch", "sub"]),
        (true, vec!["scratch"]),
    ] {
        let entity = entity("d");
        entity.define_runpath(Some(tmp.join("d"))).unwrap();
        entity.make_runpath_dirs(cleanup).unwrap();
        assert_eq!(names(&tmp.join("d")), left);
        assert_eq!(names(&tmp.join("d/scratch")).is_empty(), cleanup);
        fs::create_dir_all(tmp.join("d/sub/deep")).unwrap();
        for file in ["d/old.txt", "d/sub/deep/old.txt", "d/scratch/old.txt"] {
            fs::write(tmp.join(file), "x").unwrap();
        }
    }
}

#[test]
fn what_standin_did_not_make_is_never_emptied_or_removed() {
    let (_dir, tmp) = temporary();
    fs::create_dir_all(tmp.join("project/.git")).unwrap();
    for file in ["project/Cargo.toml", "project/a", "project/b", "project/c"] {
        fs::write(tmp.join(file), "precious").unwrap();
    }
    let before = names(&tmp.join("project"));
    let entity = entity("careless");
    entity.define_runpath(Some(tmp.join("project"))).unwrap();
    let error = entity.make_runpath_dirs(true).unwrap_err();
    assert_eq!(
        format!("{error:?}")
            .replace(&tmp.display().to_string(), "TMP"),
        "entity[careless] does not empty TMP/project: standin did not make it, and it holds .git, Cargo.toml, a and 2 more
  help: set `runpath` to a directory that is empty or not there yet, or set `path_cleanup = false` to keep what is in this one
  code: standin::entity::runpath_foreign"
    );
    let error = entity.remove_runpath().unwrap_err();
    assert!(matches!(error, RunpathError::Foreign { .. }), "{error}");
    assert_eq!(names(&tmp.join("project")), before);

    // To use it as it is does not make it standin's.
    entity.make_runpath_dirs(false).unwrap();
    entity.release_runpath();
    let error = entity.make_runpath_dirs(true).unwrap_err();
    assert!(matches!(error, RunpathError::Foreign { .. }), "{error}");
    assert!(entity.remove_runpath().is_err());
    // Nor does it what is in it, but for what standin has made there.
    let inner = child(&entity, "scratch 2");
    entity.make_runpath_dirs(false).unwrap();
    let theirs = child(&entity, ".git");
    theirs
        .define_runpath(Some(tmp.join("project/.git")))
        .unwrap();
    fs::write(tmp.join("project/.git/HEAD"), "x").unwrap();
    assert!(theirs.make_runpath_dirs(true).is_err());
    let ours = inner.make_runpath_dirs(true).unwrap();
    fs::write(ours.join("file"), "x").unwrap();
    inner.release_runpath();
    inner.make_runpath_dirs(true).unwrap();
    assert_eq!(names(&ours), ["scratch"]);
    assert!(tmp.join("project/.git/HEAD").exists());
}

#[test]
fn what_was_found_empty_is_standin_s_from_then_on() {
    let (_dir, tmp) = temporary();
    fs::create_dir(tmp.join("d")).unwrap();
    for _ in 0..2 {
        let entity = entity("d");
        entity.define_runpath(Some(tmp.join("d"))).unwrap();
        entity.make_runpath_dirs(true).unwrap();
        assert_eq!(names(&tmp.join("d")), ["scratch"]);
        fs::write(tmp.join("d/file"), "x").unwrap();
    }
    let marker = fs::read_to_string(tmp.join("d/.standin")).unwrap();
    assert!(
        marker.contains("deletes all that is in it"),
        "a marker explains itself: {marker}"
    );
}

#[test]
fn only_a_marker_of_standin_s_is_one() {
    let (_dir, tmp) = temporary();
    let make = |name: &str| {
        let entity = entity("d");
        entity.define_runpath(Some(tmp.join(name))).unwrap();
        entity.make_runpath_dirs(true)
    };
    make("ours").unwrap();
    type Put<'a> = &'a dyn Fn(&Path);
    let kinds: [(&str, Put<'_>); 4] = [
        ("text", &|path| {
            fs::write(path, "of another program").unwrap()
        }),
        ("empty", &|path| fs::write(path, "").unwrap()),
        ("directory", &|path| fs::create_dir(path).unwrap()),
        #[cfg(unix)]
        ("link", &|path| {
            std::os::unix::fs::symlink("../ours/.standin", path).unwrap();
        }),
        #[cfg(not(unix))]
        ("file", &|path| fs::write(path, "x").unwrap()),
    ];
    for (kind, put) in kinds {
        fs::create_dir(tmp.join(kind)).unwrap();
        put(&tmp.join(kind).join(".standin"));
        fs::write(tmp.join(kind).join("precious"), "x").unwrap();
        let error = make(kind).unwrap_err();
        assert!(
            matches!(error, RunpathError::Foreign { .. }),
            "{kind}: {error}"
        );
        assert!(tmp.join(kind).join("precious").exists());
    }
}

#[test]
fn tidying_up_removes_what_is_empty_and_says_what_is_left() {
    let (_dir, tmp) = temporary();
    let entity = entity("d");
    entity.define_runpath(Some(tmp.join("d"))).unwrap();
    // Files and their content; what is left in the directory.
    for (files, content_only, left) in [
        (vec![], false, None),
        (vec![("a/stdout", "")], true, None),
        (vec![("a/stdout", "")], false, Some(vec!["a"])),
        (
            vec![("a/stdout", "x"), ("stderr", "")],
            true,
            Some(vec!["a", "stderr"]),
        ),
    ] {
        let runpath = entity.make_runpath_dirs(true).unwrap();
        fs::create_dir_all(runpath.join("a/empty/deep")).unwrap();
        for (name, content) in &files {
            fs::write(runpath.join(name), content).unwrap();
        }
        let is_left = entity.tidy_runpath(content_only).unwrap();
        assert_eq!(is_left, left.is_some(), "{files:?}");
        let there = runpath.exists().then(|| names(&runpath));
        let left = left.map(|left| left.into_iter().map(str::to_owned).collect());
        assert_eq!(there, left, "{files:?}");
        assert!(!runpath.join("a/empty").exists());
    }
    let other = Entity::new("other").unwrap();
    fs::create_dir(tmp.join("theirs")).unwrap();
    fs::write(tmp.join("theirs/precious"), "").unwrap();
    other.define_runpath(Some(tmp.join("theirs"))).unwrap();
    other.make_runpath_dirs(false).unwrap();
    assert!(other.tidy_runpath(true).is_err());
    assert!(tmp.join("theirs/precious").exists());
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
fn a_file_in_its_place_is_refused() {
    let (_dir, tmp) = temporary();
    let path = tmp.join("d");
    fs::write(&path, "precious").unwrap();
    let entity = entity("d");
    entity.define_runpath(Some(path.clone())).unwrap();
    for cleanup in [false, true] {
        let error = entity.make_runpath_dirs(cleanup).unwrap_err();
        assert!(
            matches!(error, RunpathError::NotADirectory { .. }),
            "{error}"
        );
    }
    assert!(entity.remove_runpath().is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
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
fn of_a_link_the_directory_behind_it_is_used_and_links_inside_are_not_followed() {
    use std::os::unix::fs::symlink;
    let (_dir, tmp) = temporary();
    fs::create_dir_all(tmp.join("real")).unwrap();
    fs::create_dir_all(tmp.join("elsewhere")).unwrap();
    fs::write(tmp.join("elsewhere/kept.txt"), "x").unwrap();
    symlink(tmp.join("real"), tmp.join("d")).unwrap();
    let entity = entity("d");
    assert_eq!(
        entity.define_runpath(Some(tmp.join("d"))).unwrap(),
        tmp.join("d")
    );
    for _ in 0..2 {
        entity.make_runpath_dirs(true).unwrap();
        assert_eq!(names(&tmp.join("real")), ["scratch"]);
        fs::write(tmp.join("d/old.txt"), "x").unwrap();
        symlink(tmp.join("elsewhere"), tmp.join("real/link")).unwrap();
        symlink(
            tmp.join("elsewhere/kept.txt"),
            tmp.join("real/scratch/link"),
        )
        .unwrap();
        entity.release_runpath();
    }
    entity.remove_runpath().unwrap();
    assert!(tmp.join("elsewhere/kept.txt").exists());
    // The link is the user's.
    assert!(tmp.join("d").is_symlink() && !tmp.join("real").exists());
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_refused() {
    let (_dir, tmp) = temporary();
    std::os::unix::fs::symlink(tmp.join("nowhere"), tmp.join("d")).unwrap();
    let entity = entity("d");
    entity.define_runpath(Some(tmp.join("d"))).unwrap();
    for cleanup in [false, true] {
        let error = entity.make_runpath_dirs(cleanup).unwrap_err();
        assert!(
            matches!(error, RunpathError::NotADirectory { .. }),
            "{error}"
        );
    }
    assert!(!tmp.join("nowhere").exists() && tmp.join("d").is_symlink());
}

#[cfg(unix)]
#[test]
fn what_was_put_in_its_place_is_not_removed() {
    use std::os::unix::fs::symlink;
    for is_default in [true, false] {
        for is_link in [true, false] {
            let (_dir, tmp) = temporary();
            let victim = tmp.join("victim");
            fs::create_dir(&victim).unwrap();
            fs::write(victim.join("precious"), "x").unwrap();
            let entity = entity(&format!("replaced {is_default} {is_link}"));
            let explicit = (!is_default).then(|| tmp.join("d"));
            entity.define_runpath(explicit).unwrap();
            let runpath = entity.make_runpath_dirs(true).unwrap();
            let moved = tmp.join("moved");
            if fs::rename(&runpath, &moved).is_err() {
                // Another file system.
                fs::remove_dir_all(&runpath).unwrap();
            }
            if is_link {
                symlink(&victim, &runpath).unwrap();
            } else {
                fs::create_dir(&runpath).unwrap();
                fs::write(runpath.join("precious"), "x").unwrap();
            }
            entity.release_runpath();
            let error = entity.remove_runpath().unwrap_err();
            assert!(matches!(error, RunpathError::Replaced { .. }), "{error}");
            assert!(runpath.join("precious").exists() && victim.join("precious").exists());
            let error = entity.make_runpath_dirs(true).unwrap_err();
            assert!(
                matches!(
                    error,
                    RunpathError::NotADirectory { .. } | RunpathError::Foreign { .. }
                ),
                "{error}"
            );
            assert!(runpath.join("precious").exists() && victim.join("precious").exists());
            if is_link {
                fs::remove_file(&runpath).unwrap();
            } else {
                fs::remove_dir_all(&runpath).unwrap();
            }
            entity.remove_runpath().unwrap();
        }
    }
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
