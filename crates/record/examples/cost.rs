//! What recording costs: `cargo run --release -p standin-record --example cost`.
#![expect(clippy::print_stdout, reason = "it is a program")]

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use standin_record::{Event, Memory, Place, Recorder, Redact, Setting, Settings, Tape, Tick};

fn main() -> standin_error::Result<()> {
    println!("one record, without the clock and with it:");
    for size in [16, 512, 65_536] {
        let bytes = vec![b'x'; size];
        let tape = tape(&Recorder::new("cost"), 1);
        let place = Some(Place::caller());
        let tick = Tick::now();
        let without = each(|| tape.sent(tick, black_box(&bytes), place));
        let with = each(|| tape.sent(Tick::now(), black_box(&bytes), place));
        println!("  {size:>6} B  {without:>6.1} ns  {with:>6.1} ns");
    }
    let settings = Settings {
        redact: Redact::new(["password=\\S+"])?,
        ..Settings::default()
    };
    let tape = tape(&Recorder::with_settings("redacted", settings), 1);
    let redacted = each(|| tape.sent(Tick::now(), black_box(&[b'x'; 16]), None));
    println!("      16 B            {redacted:>6.1} ns with an expression to redact");
    connections();
    formats();
    Ok(())
}

fn connections() {
    let memory = Memory::new(64 << 20);
    let settings = Settings {
        memory: memory.clone(),
        ..Settings::default()
    };
    let recorder = Recorder::with_settings("many", settings);
    let begin = Instant::now();
    let tapes: Vec<_> = (0..9_000).map(|port| self::tape(&recorder, port)).collect();
    println!(
        "a connection without a record: {} B, {} ns",
        memory.spent() / tapes.len(),
        begin.elapsed().as_nanos() / 9_000
    );
    for tape in &tapes {
        tape.sent(Tick::now(), b"hello", None);
    }
    println!(
        "a connection with one record: {} B",
        memory.spent() / tapes.len()
    );
}

fn formats() {
    let settings = Settings {
        memory: Memory::new(64 << 20),
        ..Settings::default()
    };
    let recorder = Recorder::with_settings("formats", settings);
    for port in 0..100 {
        let tape = tape(&recorder, port);
        for number in 0..500 {
            tape.sent(Tick::now(), format!("request {number}\n").as_bytes(), None);
            tape.received(Tick::now(), b"an answer\n", None);
        }
    }
    let (transcript, took) = timed(|| recorder.transcript());
    println!("100,000 records:");
    println!("  transcript  {took:?}");
    let (text, took) = timed(|| transcript.text().to_string());
    println!("  text        {took:?}, {} kB", text.len() / 1000);
    for (name, write) in [
        (
            "pcapng",
            &(|| transcript.to_pcapng()) as &dyn Fn() -> Vec<u8>,
        ),
        ("json", &|| transcript.to_json().into_bytes()),
        ("page", &|| transcript.to_html().into_bytes()),
        ("mermaid", &|| transcript.to_mermaid().into_bytes()),
    ] {
        let (bytes, took) = timed(write);
        println!("  {name:<10}  {took:?}, {} kB", bytes.len() / 1000);
    }
    let recorder = Recorder::new("drivers");
    for number in 0..1_000 {
        let driver = recorder.driver(&format!("driver {number}"));
        driver.step_began("start");
        driver.probed("port 8080", "connected", true);
        driver.step_ended("start", None);
        driver.set_settings((0..20).map(|option| Setting {
            name: format!("option_{option}"),
            value: "a value of some length".to_owned(),
            origin: "default".to_owned(),
        }));
        let tape = self::tape(&recorder, number);
        tape.sent(Tick::now(), b"hello", None);
        tape.received(Tick::now(), b"hello yourself\n", None);
    }
    let transcript = recorder.transcript();
    println!("1,000 drivers:");
    let (page, took) = timed(|| transcript.to_html());
    println!("  page        {took:?}, {} kB", page.len() / 1000);
    let (trace, took) = timed(|| transcript.to_chrome_trace());
    println!("  trace       {took:?}, {} kB", trace.len() / 1000);
}

fn tape(recorder: &Recorder, port: u16) -> Arc<Tape> {
    let [local, peer] = [8080, port].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let driver = recorder.driver("server");
    driver.connection(&Event::Accepted, local, peer, None)
}

/// The nanoseconds that a call takes, at best of many runs, each of which is shorter than what
/// the system lets a thread run.
fn each(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 1_000;
    let run = |_| {
        let begin = Instant::now();
        (0..CALLS).for_each(|_| call());
        begin.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..1_000).map(run).fold(f64::INFINITY, f64::min)
}

/// What a call gives, and the time that it took at best of five.
fn timed<T>(call: impl Fn() -> T) -> (T, Duration) {
    let run = |_| {
        let begin = Instant::now();
        let result = call();
        (result, begin.elapsed())
    };
    let first = run(0);
    (1..5).map(run).fold(
        first,
        |best, next| {
            if next.1 < best.1 { next } else { best }
        },
    )
}
