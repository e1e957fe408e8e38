//! What options cost: resolving them, and reading them from a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Deserialize;
use standin_config::Node;
use standin_environment::{DriverTypes, EnvironmentBuilder};
use standin_tcp::{TcpServerBuilder, TcpServerConfig};

use super::measure::{in_turn, micros_each};
use super::{Figure, Outcome};

/// Microseconds to resolve all options of a TCP server that has a parent.
pub(crate) fn config_resolve() -> Outcome<Figure> {
    const TIMES: usize = 10_000;
    let environment = Node::new(
        "environment",
        EnvironmentBuilder::new()
            .name("environment")
            .timeout(Duration::from_secs(10)),
    )?;
    let server = Node::new("server", TcpServerBuilder::new().name("server").port(80))?;
    server.set_parent(&environment)?;
    let [ours] = in_turn(
        21,
        [&mut || {
            micros_each(TIMES, || {
                for _ in 0..TIMES {
                    black_box(server.resolve::<TcpServerConfig>()?);
                }
                Ok(())
            })
        }],
    )?;
    Ok(Figure::alone("config_resolve", ours, "µs each"))
}

/// Milliseconds to read a file of 1,000 drivers into checked options, next to
/// `toml` reading the same text into plain structs.
pub(crate) fn load_file_1000() -> Outcome<Figure> {
    let text = file(500)?;
    let types = DriverTypes::standard();
    let millis = |run: &dyn Fn() -> Outcome<()>| {
        let began = Instant::now();
        run()?;
        Ok(began.elapsed().as_secs_f64() * 1e3)
    };
    let [ours, plain] = in_turn(
        31,
        [
            &mut || {
                millis(&|| {
                    black_box(types.registry().parse("environment.toml", &text)?);
                    Ok(())
                })
            },
            &mut || {
                millis(&|| {
                    black_box(toml::from_str::<PlainFile>(&text)?);
                    Ok(())
                })
            },
        ],
    )?;
    Ok(Figure::compared("load_file_1000", ours, plain, "ms"))
}

fn file(pairs: usize) -> Outcome<String> {
    let mut text = "name = \"big\"\ntimeout = \"10s\"\n".to_owned();
    for pair in 0..pairs {
        write!(
            text,
            r#"
[[driver]]
type = "tcp-server"
name = "server-{pair}"
host = "127.0.0.1"
port = 0
error_logs_max_lines = 5
auto_start = true

[[driver]]
type = "tcp-client"
name = "client-{pair}"
host = {{ driver = "server-{pair}", value = "{{{{ host }}}}" }}
port = {{ driver = "server-{pair}", value = "{{{{ port }}}}" }}
timeout = "1m 30s"
connect_at_start = true
"#
        )?;
    }
    Ok(text)
}

/// The same file without checks, defaults or places.
#[derive(Deserialize)]
#[expect(dead_code, reason = "it is read, which is what is measured")]
struct PlainFile {
    name: String,
    timeout: String,
    driver: Vec<PlainDriver>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "it is read, which is what is measured")]
struct PlainDriver {
    r#type: String,
    name: String,
    host: PlainSetting,
    port: PlainSetting,
    timeout: Option<String>,
    error_logs_max_lines: Option<i64>,
    auto_start: Option<bool>,
    connect_at_start: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is read, which is what is measured")]
enum PlainSetting {
    Text(String),
    Number(u16),
    Context(BTreeMap<String, String>),
}
