//! What becomes of the files in a directory.

use super::*;

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

#[cfg(unix)]
#[test]
fn a_scratch_is_emptied_or_made_again_whatever_the_last_run_made_of_it() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    let (_dir, tmp) = temporary();
    let (run, scratch, other) = (tmp.join("d"), tmp.join("d/scratch"), tmp.join("other"));
    fs::create_dir(&other).unwrap();
    fs::write(other.join("file"), "precious").unwrap();
    let start = || {
        let entity = entity("d");
        entity.define_runpath(Some(run.clone())).unwrap();
        entity.make_runpath_dirs(true).unwrap();
    };
    start();
    let made = fs::symlink_metadata(&scratch).unwrap();
    let closed = || fs::set_permissions(&scratch, fs::Permissions::from_mode(0o500));
    let changes: [(&str, &dyn Fn() -> std::io::Result<()>); 6] = [
        ("filled", &|| {
            fs::create_dir_all(scratch.join("scratch/deep"))
        }),
        ("closed", &closed),
        ("filled and closed", &|| {
            fs::write(scratch.join("file"), "x")?;
            closed()
        }),
        ("removed", &|| fs::remove_dir(&scratch)),
        ("a file", &|| {
            fs::remove_dir(&scratch)?;
            fs::write(&scratch, "x")
        }),
        ("a link", &|| {
            fs::remove_dir(&scratch)?;
            symlink(&other, &scratch)
        }),
    ];
    for (how, change) in changes {
        change().unwrap();
        // Who may not write to it cannot empty it either.
        if how == "filled and closed" && fs::write(scratch.join("tried"), "").is_err() {
            fs::set_permissions(&scratch, made.permissions()).unwrap();
        }
        start();
        let now = fs::symlink_metadata(&scratch).unwrap();
        assert_eq!(now.mode(), made.mode(), "{how}");
        assert_eq!(names(&run), ["scratch"], "{how}");
        assert!(names(&scratch).is_empty(), "{how}");
        assert_eq!(names(&other), ["file"], "{how}");
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
        "entity[careless] refuses to empty TMP/project: standin did not create it, and it contains .git, Cargo.toml, a and 2 more
  help: set `runpath` to a directory that is empty or does not exist yet, or set `path_cleanup = false` to keep what is in this one
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
    // Nor does it what is in it, except for what standin has made there.
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
fn a_directory_whose_marker_was_not_written_to_its_end_is_taken_over() {
    let (_dir, tmp) = temporary();
    let whole = {
        let first = entity("d");
        first.define_runpath(Some(tmp.join("first"))).unwrap();
        first.make_runpath_dirs(true).unwrap();
        fs::read_to_string(tmp.join("first/.standin")).unwrap()
    };
    for length in [0, 1, 10] {
        for clear in [true, false] {
            let path = tmp.join(format!("{length} {clear}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join(".standin"), &whole[..length]).unwrap();
            let entity = entity("d");
            entity.define_runpath(Some(path.clone())).unwrap();
            entity.make_runpath_dirs(clear).unwrap();
            let marker = fs::read_to_string(path.join(".standin")).unwrap();
            assert_eq!(marker.lines().next(), whole.lines().next());
            entity.remove_runpath().unwrap();
            assert!(!path.exists());
        }
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
    let _turn = turn_with_the_default_root();
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
            // Removed, it could have the same inode as the next.
            let moved = runpath.with_extension("moved");
            fs::rename(&runpath, &moved).unwrap();
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
            fs::remove_dir_all(&moved).unwrap();
            entity.remove_runpath().unwrap();
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_has_the_inode_of_a_removed_one_is_not_removed() {
    let (_dir, tmp) = temporary();
    if fs::metadata(&tmp).unwrap().created().is_err() {
        // Nothing distinguishes them there.
        return;
    }
    let runpath = tmp.join("d");
    let entity = entity("made again");
    entity.define_runpath(Some(runpath.clone())).unwrap();
    entity.make_runpath_dirs(true).unwrap();
    entity.release_runpath();
    fs::remove_dir_all(&runpath).unwrap();
    // The times of directories have the granularity of the system's clock tick.
    std::thread::sleep(std::time::Duration::from_millis(50));
    fs::create_dir(&runpath).unwrap();
    fs::write(runpath.join("precious"), "x").unwrap();
    let error = entity.remove_runpath().unwrap_err();
    assert!(matches!(error, RunpathError::Replaced { .. }), "{error}");
    assert!(runpath.join("precious").exists());
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
