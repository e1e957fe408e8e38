//! Stopping the drivers of an environment: all of them, whatever fails.

use std::sync::Arc;

use standin_driver::{Driver, Lifecycle};
use standin_entity::Status;

use crate::Failure;
use crate::members::Members;
use crate::plan::{Mode, Plan};
use crate::schedule::{self, OnFailure};

/// Stops all drivers that are up, in the reverse order of the start.
pub(crate) fn stop(members: &Members, plan: &Plan) -> Vec<Failure> {
    let drivers = members.drivers();
    match plan.mode {
        Mode::Declared => in_order(&drivers, plan),
        Mode::Concurrent => schedule::run(
            &plan.order.reversed(),
            plan.workers,
            OnFailure::Continue,
            |place| {
                if plan.is_alias(place) {
                    return Ok(());
                }
                stop_and_wait(&*drivers[place])
            },
        )
        .into_iter()
        .map(|(_, failure)| failure)
        .collect(),
    }
}

/// One driver after the other, the last one first. Those with `async_start`
/// are waited for at the end.
fn in_order(drivers: &[Arc<dyn Driver>], plan: &Plan) -> Vec<Failure> {
    let mut failures = Vec::new();
    let mut pending = Vec::new();
    for (place, driver) in drivers.iter().enumerate().rev() {
        if plan.is_alias(place) {
            continue;
        }
        if let Err(error) = driver.stop() {
            failures.push(Failure::Stop(error));
        } else if driver.status() == Status::Stopping {
            pending.push(driver);
        }
    }
    failures.extend(
        pending
            .into_iter()
            .filter_map(|driver| driver.wait(Status::Stopped, None).err().map(Failure::Wait)),
    );
    failures
}

fn stop_and_wait(driver: &dyn Driver) -> Result<(), Failure> {
    driver.stop().map_err(Failure::Stop)?;
    if driver.status() == Status::Stopping {
        driver.wait(Status::Stopped, None).map_err(Failure::Wait)?;
    }
    Ok(())
}
