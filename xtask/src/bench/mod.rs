//! `cargo xtask bench`: what the crates cost, next to the plainest way to do the same.
//!
//! A figure is a median of enough runs, ours and the baseline in turn, within one call. One file
//! per crate that is measured; [`FIGURES`] and [`NAMED_ONLY`] list them all.

mod build;
pub(crate) mod command;
mod config;
mod connection;
mod driver;
pub(crate) mod echo;
mod environment;
pub(crate) mod measure;
mod proxy;
mod recorded;
mod reference;
mod reply;
mod socket;
mod tasks;
mod tls;

use std::{error::Error, fs, io, path::Path};

use miette::Diagnostic;
use thiserror::Error;

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: &'static str,
    /// What it costs with our crates.
    pub(crate) ours: f64,
    /// What it costs without, where that can be said.
    pub(crate) baseline: Option<f64>,
    /// `ours / baseline`.
    pub(crate) ratio: Option<f64>,
    /// The unit of `ours` and `baseline`.
    pub(crate) unit: &'static str,
    /// What others cost, for comparison: who, and how much.
    pub(crate) others: Vec<(&'static str, f64)>,
}

impl Figure {
    /// A figure with nothing to compare it to.
    pub(crate) fn alone(name: &'static str, ours: f64, unit: &'static str) -> Figure {
        Figure {
            name,
            ours,
            baseline: None,
            ratio: None,
            unit,
            others: Vec::new(),
        }
    }

    /// A figure next to its baseline.
    pub(crate) fn compared(
        name: &'static str,
        ours: f64,
        baseline: f64,
        unit: &'static str,
    ) -> Figure {
        Figure {
            baseline: Some(baseline),
            ratio: Some(ours / baseline),
            ..Figure::alone(name, ours, unit)
        }
    }

    /// Adds what another tool's way costs, where that is known.
    pub(crate) fn with_other(mut self, who: &'static str, value: impl Into<Option<f64>>) -> Figure {
        self.others.extend(value.into().map(|value| (who, value)));
        self
    }
}

/// What measuring may fail with: a benchmark that fails is a bug or a machine out of something.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Takes one figure.
type Measure = fn() -> Outcome<Figure>;

/// The figures of a run without names, in the order of the table.
const FIGURES: &[(&str, Measure)] = &[
    ("roundtrip_one_thread", socket::roundtrip_one_thread),
    ("roundtrip_two_threads", socket::roundtrip_two_threads),
    ("bulk_send", socket::bulk_send),
    ("expect", socket::expect),
    ("connect_accept", socket::connect_accept),
    ("many_accept", socket::many_accept),
    ("many_roundtrip", socket::many_roundtrip),
    (
        "many_memory_per_connection",
        socket::many_memory_per_connection,
    ),
    ("roundtrip_recorded", recorded::roundtrip_one_thread),
    (
        "roundtrip_recorded_two_threads",
        recorded::roundtrip_two_threads,
    ),
    ("bulk_send_recorded", recorded::bulk_send),
    ("recorded_memory_per_connection", recorded::memory),
    ("tls_roundtrip", tls::roundtrip),
    ("tls_handshake", tls::handshake),
    ("tls_bulk", tls::bulk),
    ("responder_roundtrip", reply::roundtrip),
    ("responder_connections", reply::connections),
    ("responder_memory", reply::memory),
    ("unexpected_to_failure", reply::unexpected_to_failure),
    ("roundtrip_async", tasks::roundtrip),
    ("proxy_bulk", proxy::bulk),
    ("proxy_roundtrip", proxy::roundtrip),
    ("proxy_latency_error", proxy::latency_error),
    ("proxy_bandwidth_error", proxy::bandwidth_error),
    ("every_cut", proxy::every_cut),
    ("connected_1000", connection::assertions),
    ("config_resolve", config::config_resolve),
    ("load_file_1000", config::load_file_1000),
    ("readiness_log", driver::readiness_log),
    ("log_tail", driver::log_tail),
    ("process_start", driver::process_start),
    ("environment_start_1000", environment::start_1000),
    ("environment_stop_1000", environment::stop_1000),
    (
        "independent_ready_1000",
        environment::independent_ready_1000,
    ),
    ("chain_1000", environment::chain_1000),
];

/// Figures that are taken only when they are named: they take minutes, and may fetch crates.
const NAMED_ONLY: &[(&str, Measure)] = &[
    ("build", build::build),
    ("run_overhead", command::run_overhead),
    ("binary_size", command::binary_size),
];

/// Why the figures could not be taken.
#[derive(Debug, Error, Diagnostic)]
pub(crate) enum BenchError {
    #[error("unknown figure `{name}`")]
    #[diagnostic(code(xtask::bench::unknown), help("the figures are: {known}"))]
    Unknown { name: String, known: String },

    #[error("the figure `{name}` could not be taken")]
    #[diagnostic(
        code(xtask::bench::failed),
        help("see the cause; thousands of connections need `ulimit -Hn 20000`")
    )]
    Failed {
        name: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },

    #[error("cannot write {path}")]
    #[diagnostic(code(xtask::bench::json), help("check that the folder exists"))]
    Json { path: String, source: io::Error },
}

/// Takes the figures of these names, or all, prints a table, and writes them to a file.
///
/// # Errors
///
/// Returns an error if a name is unknown, a figure cannot be taken, or the file cannot be written.
pub(crate) fn run(names: &[String], json: Option<&Path>) -> Result<(), BenchError> {
    let known = || FIGURES.iter().chain(NAMED_ONLY);
    if let Some(unknown) = names
        .iter()
        .find(|name| known().all(|(known, _)| known != name))
    {
        let known: Vec<_> = known().map(|(name, _)| *name).collect();
        return Err(BenchError::Unknown {
            name: unknown.clone(),
            known: known.join(", "),
        });
    }
    let wanted: Vec<_> = match names {
        [] => FIGURES.iter().collect(),
        _ => known()
            .filter(|(known, _)| names.iter().any(|name| name == known))
            .collect(),
    };
    raise_descriptor_limit();
    let mut figures = Vec::new();
    say!(
        "{:<30} {:>12} {:>12} {:>7}  {:<8} others",
        "figure",
        "ours",
        "baseline",
        "ratio",
        "unit"
    );
    for (name, measure) in wanted {
        let figure = measure().map_err(|source| BenchError::Failed { name, source })?;
        say!("{}", line(&figure));
        figures.push(figure);
    }
    if let Some(path) = json {
        fs::write(path, to_json(&figures)).map_err(|source| BenchError::Json {
            path: path.display().to_string(),
            source,
        })?;
    }
    Ok(())
}

fn line(figure: &Figure) -> String {
    let number =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let ratio = figure
        .ratio
        .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
    let others: Vec<_> = figure
        .others
        .iter()
        .map(|(who, value)| format!("{who} {value:.2}"))
        .collect();
    format!(
        "{:<30} {:>12} {:>12} {:>7}  {:<8} {}",
        figure.name,
        number(Some(figure.ours)),
        number(figure.baseline),
        ratio,
        figure.unit,
        others.join(", ")
    )
    .trim_end()
    .to_owned()
}

fn to_json(figures: &[Figure]) -> String {
    let list: Vec<_> = figures
        .iter()
        .map(|figure| {
            serde_json::json!({
                "name": figure.name,
                "ours": figure.ours,
                "baseline": figure.baseline,
                "ratio": figure.ratio,
                "unit": figure.unit,
            })
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Array(list))
}

/// Lets this process open as many descriptors as it may ask for.
fn raise_descriptor_limit() {
    // A program that needs more fails with "too many open files", which says it all.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
}
