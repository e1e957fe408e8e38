//! Writes a page, a capture and the other formats of a made-up test into a folder, to be looked
//! at: `cargo run -p standin-record --example sample -- FOLDER`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use standin_error::{Error, Result};
use standin_record::{By, Event, Place, Recorder, Setting, Tick};

#[track_caller]
fn here() -> Option<Place> {
    Some(Place::caller())
}

fn main() -> Result<()> {
    let folder = env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or_else(|| Error::msg("name a folder for the files"))?;
    fs::create_dir_all(&folder)?;
    let transcript = shop().transcript();
    fs::write(folder.join("report.html"), transcript.to_html())?;
    fs::write(folder.join("capture.pcapng"), transcript.to_pcapng())?;
    fs::write(folder.join("sequence.mmd"), transcript.to_mermaid())?;
    fs::write(folder.join("transcript.json"), transcript.to_json())?;
    fs::write(folder.join("trace.json"), transcript.to_chrome_trace())?;
    let text = format!("{}\n\n{}\n", transcript.start_text(), transcript.text());
    fs::write(folder.join("transcript.txt"), text)?;
    Ok(())
}

/// A shop whose bank gives a wrong answer, and whose mailer never gets ready.
fn shop() -> Recorder {
    let recorder = Recorder::new("shop <checkout>");
    for (name, kind, waits_for) in [
        ("redis", "process", &[][..]),
        ("bank", "tcp-server", &[]),
        ("app", "process", &["redis", "bank"]),
        ("customer", "tcp-client", &["app"]),
        ("mailer", "process", &["app"]),
    ] {
        let driver = recorder.driver(name);
        driver.set_kind(kind);
        driver.set_waits_for(waits_for.iter().map(|name| (*name).to_owned()));
        driver.set_settings([
            setting("name", name, "set in the test"),
            setting("timeout", "10s", "default"),
            setting("host", "127.0.0.1", "shop.toml:12:8"),
        ]);
        driver.step_began("start");
        wait(Duration::from_millis(4));
        if name == "mailer" {
            driver.probed("port 2525", "connection refused", false);
            driver.logged(
                "stderr",
                "cannot read mailer.conf: no such file or directory",
            );
            driver.exited("ended with exit code 2", false);
            driver.step_ended("start", Some("the process ended before it was ready"));
        } else {
            driver.probed("log matches \"ready\"", "ready to accept connections", true);
            driver.step_ended("start", None);
        }
    }
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    recorder.name_address(address(8080), "app");
    recorder.name_address(address(51_000), "app");
    let customer = recorder.driver("customer");
    let order = customer.connection(&Event::Connected, address(41_234), address(8080), here());
    let bank = recorder.driver("bank");
    let payment = bank.connection(&Event::Accepted, address(9_000), address(51_000), here());
    order.sent(Tick::now(), b"ORDER 17 <b>books</b>\r\n", here());
    wait(Duration::from_millis(2));
    payment.received(Tick::now(), b"PAY 4711 42.00\r\n", here());
    payment.record(
        &Event::Met("a line like `PAY <account> <sum>`".to_owned()),
        None,
    );
    payment.sent(Tick::now(), b"\x02OK\x00\xff\x17 but not quite\r\n", here());
    payment.sent_part(Tick::now(), &[b'x'; 512], 3_000_000, here());
    payment.record(&Event::HalfClosed(By::Peer), here());
    order.record(
        &Event::DeadlinePassed {
            after: Duration::from_millis(300),
            wanted: "a line, 0 bytes came".to_owned(),
        },
        here(),
    );
    payment.record(&Event::Reset(By::Us), here());
    recorder
}

fn setting(name: &str, value: &str, origin: &str) -> Setting {
    Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        origin: origin.to_owned(),
    }
}

/// So that there is something to see on a timeline.
fn wait(time: Duration) {
    std::thread::sleep(time);
}
