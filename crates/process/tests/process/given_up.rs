//! Starts that are given up before there is a program to tell.

use std::sync::Mutex;

use standin_driver::{Driver, DriverBase, Lifecycle};
use standin_entity::{AnnouncedStop, Resource, Result};
use standin_process::{Process, ProcessError};

use super::{SOON, folder, shell};

/// Is given up when its start has begun, but its program has not.
struct GivenUp {
    process: Process,
    give_up: fn(&GivenUp) -> Result<()>,
    announced: Mutex<Option<AnnouncedStop>>,
    /// What ended a wait for its program.
    ended: Mutex<Option<ProcessError>>,
}

impl GivenUp {
    fn announce(&self, announce: fn(&Resource) -> AnnouncedStop) -> Result<()> {
        *self.announced.lock().unwrap() = Some(announce(self.base().resource()));
        self.interrupting();
        Ok(())
    }
}

impl Driver for GivenUp {
    fn base(&self) -> &DriverBase {
        self.process.base()
    }

    fn extends(&self) -> Option<&dyn Driver> {
        Some(&self.process)
    }

    fn starting(&self) -> Result<()> {
        (self.give_up)(self)?;
        self.process.starting()?;
        *self.ended.lock().unwrap() = self.process.wait_for_exit(SOON).err();
        Ok(())
    }
}

#[test]
fn a_start_that_is_given_up_before_its_program_runs_does_not_wait_for_it() {
    let ways: [(fn(&GivenUp) -> _, _); 3] = [
        (
            |app| app.announce(Resource::announce_stop),
            "the driver is stopped",
        ),
        (
            |app| app.announce(Resource::interrupt),
            "the driver is stopped",
        ),
        (|app| Ok(app.abort()?), "the driver was aborted"),
    ];
    for (give_up, reason) in ways {
        let folder = folder();
        let process = shell(folder.path(), "exec sleep 600").timeout(2 * SOON);
        let app = GivenUp {
            process: process.build().unwrap(),
            give_up,
            announced: Mutex::default(),
            ended: Mutex::default(),
        };
        app.start().unwrap_err();
        // It runs no longer, whether or not it ever did.
        assert!(app.process.exit().is_some());
        match app.ended.into_inner().unwrap() {
            Some(ProcessError::Interrupted { reason: found, .. }) => assert_eq!(found, reason),
            other => panic!("{other:?}"),
        }
    }
}
