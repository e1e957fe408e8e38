//! What there is to see of a start.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use standin_entity::{Check, CheckInterval, Resource, Result, Status, Steps};
use tracing_subscriber::fmt::MakeWriter;

/// Never ready.
struct Stuck;

impl Steps for Stuck {
    fn started_check_interval(&self) -> CheckInterval {
        CheckInterval::Fixed(Duration::from_millis(20))
    }

    fn started_check(&self) -> Result<Check> {
        Ok(Check::not_yet("the door is closed"))
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn a_start_that_waits_shows_for_what() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let resource = Resource::new("peer").unwrap();
        let options = resource.entity().options();
        options.set_local("timeout", "1500ms").unwrap();
        assert!(resource.start(&Stuck).is_err());
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let waits: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("is not ready yet"))
        .collect();
    // One at once, one after a second; the next would be after two, if it took so long.
    assert!(waits[0].contains("DEBUG"), "{text}");
    let mut least = 1.0;
    for wait in &waits[1..] {
        assert!(wait.contains("INFO"), "{text}");
        let (_, after) = wait.split_once("after=").unwrap();
        let after: f64 = after.split_once('s').unwrap().0.parse().unwrap();
        assert!(after >= least, "{text}");
        // It is shown rounded.
        least = 2.0 * after - 0.01;
    }
    assert!(waits.len() >= 2, "{text}");
    for wait in waits {
        assert!(wait.contains(r#"missing="the door is closed""#), "{text}");
    }
}

/// Looks at the resource whenever there is an event.
#[derive(Clone)]
struct Curious(Resource, Arc<Mutex<Vec<Status>>>);

impl io::Write for Curious {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.lock().unwrap().push(self.0.status());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Quiet;

impl Steps for Quiet {}

#[test]
fn whoever_sees_an_event_may_look_at_the_resource() {
    let (tell, told) = channel();
    thread::spawn(move || {
        let resource = Resource::new("peer").unwrap();
        let curious = Curious(resource.clone(), Arc::default());
        let seen = curious.1.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || curious.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            resource.start(&Quiet).unwrap();
            resource.pause(&Quiet).unwrap();
            resource.resume(&Quiet).unwrap();
            resource.stop(&Quiet).unwrap();
            resource.force_started();
        });
        tell.send(std::mem::take(&mut *seen.lock().unwrap()))
    });
    let seen = told.recv_timeout(Duration::from_secs(30)).unwrap();
    use Status::{Paused, Pausing, Resuming, Started, Starting, Stopped, Stopping};
    let all = [
        Starting, Started, Pausing, Paused, Resuming, Started, Stopping, Stopped, Started,
    ];
    assert_eq!(seen, all);
}
