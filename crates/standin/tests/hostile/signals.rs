//! Signals that interrupt waits.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use standin::Error;

use crate::support::{SOON, alone, connect, one_server};

#[test]
fn a_test_that_is_suspended_and_continued_goes_on_waiting() {
    alone(|_| {
        let (env, server) = one_server()?;
        let mut peer = connect(&server)?;
        let ours = server.accept_connection(SOON)?;
        std::thread::scope(|scope| {
            let receiving = scope.spawn(|| ours.receive_exactly(4));
            let accepting = scope.spawn(|| server.accept_connection(SOON));
            for _ in 0..5 {
                // Continuing ends waits in the system with "interrupted".
                let me = std::process::id();
                let script = format!("kill -STOP {me}; sleep 0.02; kill -CONT {me}");
                let mut shell = Command::new("sh").args(["-c", &script]).spawn().unwrap();
                // Fails where the tests were started with SIGCHLD ignored, after the end
                // anyway.
                let _ = shell.wait();
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(!receiving.is_finished() && !accepting.is_finished());
            peer.write_all(b"done").unwrap();
            let _second = connect(&server).unwrap();
            assert_eq!(receiving.join().unwrap().unwrap(), b"done");
            assert_eq!(accepting.join().unwrap().unwrap().index(), 1);
        });
        env.stop().map_err(Error::from)
    });
}
