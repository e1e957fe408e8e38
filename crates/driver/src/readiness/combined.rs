use standin_entity::{Check, Result};

use super::{Probe, Progress, Readiness};
use crate::Driver;

pub(crate) fn all(conditions: &[Readiness]) -> Box<dyn Probe> {
    let probes = conditions.iter().map(|condition| Some(condition.probe()));
    Box::new(All(probes.collect()))
}

pub(super) fn any(conditions: &[Readiness]) -> Box<dyn Probe> {
    Box::new(Any(conditions.iter().map(Readiness::probe).collect()))
}

/// Those that have held are gone: a file that was there counts.
#[derive(Debug)]
struct All(Vec<Option<Box<dyn Probe>>>);

impl Probe for All {
    fn check(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Check> {
        let mut missing = Vec::new();
        for slot in &mut self.0 {
            let Some(probe) = slot else {
                continue;
            };
            match probe.check(driver, progress)? {
                Check::Ready => *slot = None,
                Check::NotYet(seen) => {
                    missing.push(seen);
                    // A later condition may need what this one extracts.
                    break;
                }
            }
        }
        Ok(match missing.is_empty() {
            true => Check::Ready,
            false => Check::NotYet(missing.join("\n")),
        })
    }
}

#[derive(Debug)]
struct Any(Vec<Box<dyn Probe>>);

impl Probe for Any {
    fn check(&mut self, driver: &dyn Driver, progress: &mut Progress) -> Result<Check> {
        if self.0.is_empty() {
            return Ok(Check::Ready);
        }
        let mut missing = vec!["none of these holds:".to_owned()];
        for probe in &mut self.0 {
            match probe.check(driver, progress)? {
                Check::Ready => return Ok(Check::Ready),
                Check::NotYet(seen) => missing.push(seen.replace('\n', "\n  ")),
            }
        }
        Ok(Check::NotYet(missing.join("\n  ")))
    }
}
