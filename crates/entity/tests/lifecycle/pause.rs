//! Pausing.

use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use standin_entity::{Error, PauseError, Status};

use crate::script::{LONG, Script, check_down_and_startable};

#[test]
fn a_pause_that_fails_changes_nothing() {
    let script = Script::new().failing("pausing");
    script.start().unwrap();
    assert!(matches!(
        script.resource.pause(&script),
        Err(PauseError::Step { .. })
    ));
    assert_eq!(script.status(), Status::Started);
    script.stop().unwrap();
}

#[test]
fn a_resume_that_waits_ends_with_the_abort_or_the_test() {
    for aborts in [true, false] {
        let (go, blocked) = mpsc::channel::<()>();
        let blocked = Mutex::new(blocked);
        let script = Script::new().on("pausing", move |_| {
            let blocked = blocked.lock().unwrap();
            blocked.recv_timeout(LONG).map_err(Error::other)
        });
        script.start().unwrap();
        thread::scope(|scope| {
            let pause = scope.spawn(|| script.resource.pause(&script));
            script.await_call("pausing");
            let resume = scope.spawn(|| script.resource.resume(&script));
            let interrupted = if aborts {
                script.abort().unwrap();
                None
            } else {
                Some(script.resource.interrupt())
            };
            let error = resume.join().unwrap().unwrap_err();
            match error {
                PauseError::Aborted { resuming, .. } => assert!(aborts && resuming),
                PauseError::Interrupted { resuming, .. } => assert!(!aborts && resuming),
                other => panic!("{other}"),
            }
            go.send(()).unwrap();
            pause.join().unwrap().unwrap();
            drop(interrupted);
        });
        script.stop().unwrap();
    }
}

#[test]
fn a_stop_waits_for_a_pause_under_way() {
    let (go, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let script = Script::new().on("pausing", move |_| {
        blocked
            .lock()
            .unwrap()
            .recv_timeout(LONG)
            .map_err(Error::other)
    });
    script.start().unwrap();
    thread::scope(|scope| {
        let pause = scope.spawn(|| script.resource.pause(&script));
        script.await_call("pausing");
        let stop = scope.spawn(|| script.stop());
        go.send(()).unwrap();
        pause.join().unwrap().unwrap();
        stop.join().unwrap().unwrap();
    });
    check_down_and_startable(&script);
}
