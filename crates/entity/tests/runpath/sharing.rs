//! What several entities, or threads, do with one directory.

use super::*;

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
