//! The recording of an environment, with other evidence about its drivers.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use standin_driver::Driver;
use standin_error::text;
use standin_record::{Address, Line, Transcript};

use crate::artifacts::Artifacts;
use crate::failure::Failure;
use crate::members::Members;

/// Of how many drivers the last lines of logs are shown.
const LOGS: usize = 100;

/// Returns everything recorded so far: the drivers in the order in which they were added, with
/// their options and what each waits for.
pub(crate) fn transcript(members: &Members) -> Transcript {
    let drivers = members.snapshot();
    for driver in drivers.values() {
        let base = driver.base();
        base.describe(&base.tape());
    }
    if let Some(running) = members.running() {
        for (name, before) in running.waits_for() {
            members.recorder().driver(&name).set_waits_for(before);
        }
    }
    let mut transcript = members.recorder().transcript();
    let places: HashMap<&str, usize> = drivers
        .values()
        .enumerate()
        .map(|(place, driver)| (driver.base().entity().name(), place))
        .collect();
    let names = drivers.keys().enumerate();
    let known: HashMap<&str, usize> = names.map(|(place, name)| (name.as_str(), place)).collect();
    transcript.drivers.sort_by_key(|story| {
        let place = known.get(&*story.name).or_else(|| places.get(&*story.name));
        place.copied().unwrap_or(usize::MAX)
    });
    name_peers(members, &mut transcript);
    transcript
}

/// The start that began then, without what `failures` say. `None` if there is nothing to compare
/// and nothing more to say.
pub(crate) fn timeline(
    transcript: &Transcript,
    begun: Duration,
    failures: &[Failure],
) -> Option<String> {
    let mut start = Transcript {
        name: transcript.name.clone(),
        drivers: transcript.drivers.clone(),
        ..Transcript::default()
    };
    start.taken = transcript.taken;
    for story in &mut start.drivers {
        story.steps.retain(|step| step.at >= begun);
    }
    // Who was up before is not a part of it.
    let was_up = |name: &str| {
        let before = transcript.drivers.iter().find(|story| *story.name == *name);
        before.is_some_and(|story| !story.steps.is_empty())
    };
    start
        .drivers
        .retain(|story| !story.steps.is_empty() || !was_up(&story.name));
    let is_worth_it = start.drivers.len() > 1;
    let said: Vec<String> = failures.iter().map(|f| text::in_full(f)).collect();
    is_worth_it.then(|| start.start_text().after(&said.join("\n")).to_string())
}

/// Writes what explains that the test has failed: `transcript`, with the last lines of the logs.
/// Done once in each life of the environment.
pub(crate) fn write(members: &Members, mut transcript: Transcript) -> Artifacts {
    // What drivers are asked is their code, and runs without a lock.
    add_logs(members, &mut transcript);
    let formats = members.record().on_failure;
    members.artifacts(|| match members.early_artifacts() {
        Some(early) => early.again(&transcript, &formats),
        None if thread::panicking() => Artifacts::of_panic(&transcript, &formats),
        None => Artifacts::of_failure(&transcript, &formats),
    })
}

/// Writes the same before the end of the environment; [`write()`] writes it once more then.
pub(crate) fn write_early(members: &Members) -> Artifacts {
    let mut transcript = transcript(members);
    add_logs(members, &mut transcript);
    let formats = members.record().on_failure;
    members.write_early(|early| match early {
        Some(early) => early.again(&transcript, &formats),
        None => Artifacts::of_failure(&transcript, &formats),
    })
}

/// Adds the last lines of what drivers write to what is known of them.
pub(crate) fn add_logs(members: &Members, transcript: &mut Transcript) {
    let mut left = LOGS;
    for driver in members.drivers() {
        let name = driver.base().entity().known_as();
        let lines = catch_unwind(AssertUnwindSafe(|| driver.fetch_error_log()));
        let Ok(Ok(lines)) = lines else {
            continue;
        };
        let story = transcript.drivers.iter_mut();
        let Some(story) = story.into_iter().find(|story| *story.name == *name) else {
            continue;
        };
        if lines.is_empty() || left == 0 {
            continue;
        }
        left -= 1;
        let redact = |line: String| members.recorder().redacted(&line);
        story.lines.extend(lines.into_iter().map(|line| Line {
            at: transcript.taken,
            log: "at the end".to_owned(),
            text: redact(line),
        }));
    }
}

/// Says whose the other ends are that nobody records, as far as drivers know it of themselves:
/// the sockets of processes, and the drivers of the environments around this one.
fn name_peers(members: &Members, transcript: &mut Transcript) {
    let is_known = |one| transcript.peer_of(one).is_some();
    if transcript.conversations.iter().all(is_known) {
        return;
    }
    let around = std::iter::successors(members.parent(), |members| members.parent());
    let around: Vec<Arc<Members>> = around.collect();
    let all = std::iter::once(members).chain(around.iter().map(|around| &**around));
    for (name, driver) in all.flat_map(Members::snapshot) {
        let is_recorded = |one: &standin_record::Conversation| *one.driver == *name;
        if transcript.conversations.iter().any(is_recorded) {
            continue;
        }
        for address in addresses(&*driver) {
            transcript.names.push((address, name.clone()));
        }
    }
}

/// The local addresses of a driver. It is asked while something may have gone wrong already: what
/// it does itself must not hide that.
fn addresses(driver: &dyn Driver) -> Vec<Address> {
    let connections = catch_unwind(AssertUnwindSafe(|| driver.connections()));
    let connections = connections.unwrap_or_default();
    let own = connections.iter().flat_map(|info| {
        let ends = info.ends().iter().map(|ends| ends.local());
        info.bound().into_iter().chain(ends)
    });
    own.map(Address::from).collect()
}
