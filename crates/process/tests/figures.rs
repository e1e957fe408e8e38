//! What a process driver costs. Run it with
//! `cargo test --release -p standin-process --test figures -- --ignored --nocapture`.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use standin_driver::{Driver, Lifecycle};
use standin_process::Process;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn a_start_and_a_readiness_and_a_tail() {
    let folder = tempfile::tempdir().unwrap();

    let bare = median(
        (0..50)
            .map(|_| {
                let since = Instant::now();
                let mut child = std::process::Command::new("sleep")
                    .arg("60")
                    .spawn()
                    .unwrap();
                let time = since.elapsed();
                child.kill().unwrap();
                child.wait().unwrap();
                time
            })
            .collect(),
    );
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let app = Process::builder("app")
            .runpath(folder.path().join("app"))
            .binary("sleep")
            .args(["60"])
            .build()
            .unwrap();
        let since = Instant::now();
        app.start().unwrap();
        starts.push(since.elapsed());
        let since = Instant::now();
        app.stop().unwrap();
        stops.push(since.elapsed());
    }
    println!(
        "start: bare {bare:?}, driver {:?}; stop {:?}",
        median(starts),
        median(stops)
    );

    // From just before the write, in another process's log, to the end of the start.
    let mut delays = Vec::new();
    for _ in 0..50 {
        let app = Process::builder("app")
            .runpath(folder.path().join("app"))
            .binary("sleep")
            .args(["60"])
            .logname("app.log")
            .log_regexps(["ready"])
            .build()
            .unwrap();
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| {
                app.start().unwrap();
                Instant::now()
            });
            while app.pid().is_none() {
                std::thread::yield_now();
            }
            // Well into the pause between two checks.
            std::thread::sleep(Duration::from_millis(150));
            let mut log = File::create(app.log_path().unwrap()).unwrap();
            let since = Instant::now();
            log.write_all(b"ready\n").unwrap();
            let ready = starting.join().unwrap();
            delays.push(ready.saturating_duration_since(since));
        });
    }
    println!("ready after the write: {:?}", median(delays));

    let app = Process::builder("app")
        .runpath(folder.path().join("app"))
        .path_cleanup(false)
        .binary("true")
        .build()
        .unwrap();
    app.start().unwrap();
    app.stop().unwrap();
    let mut log = File::create(app.out_path().unwrap()).unwrap();
    let line = format!("{}\n", "x".repeat(127));
    let block = line.repeat(8192);
    for _ in 0..1024 {
        log.write_all(block.as_bytes()).unwrap();
    }
    let tails = (0..20).map(|_| {
        let since = Instant::now();
        assert_eq!(app.fetch_error_log().unwrap().len(), 11);
        since.elapsed()
    });
    println!("tail of 1 GiB: {:?}", median(tails.collect()));
}
