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
