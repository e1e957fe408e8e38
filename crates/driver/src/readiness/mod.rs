//! When a driver is ready, as data.
//!
//! A file for each strategy; `combined.rs` has those that combine others. Each creates a [`Probe`],
//! which keeps its observations during one start.

mod combined;
mod command;
mod conditions;
mod ended;
mod file;
mod listening;
mod log;
mod port;
mod predicate;
mod probe;

use std::fmt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use standin_config::{
    ConfigDescription, Kind, OptionDescription, OptionValue, Pattern, Port, Setting, Value,
    ValueError,
};
use standin_entity::Check;

use crate::{Driver, PortInUse};
use probe::asking;

pub(crate) use combined::all;
pub(crate) use probe::{Probe, Progress};

pub use command::CommandSucceeds;
pub use conditions::Conditions;
pub use ended::EndedWith;
pub use file::FileExists;
pub use log::LogLine;
pub use port::PortAccepts;
pub use predicate::Predicate;

/// A condition that must hold before a driver counts as started.
///
/// Given to a driver as the option `ready`: all conditions of the list must hold, in addition to
/// the regexps and the driver's own check. The driver's `start_limit` (by default its `timeout`) is
/// the deadline of all of them; the error of a start that takes longer shows the last observation
/// of each.
///
/// In an environment file each is a table: `{ log = "listening" }`,
/// `{ log = "ready", times = 2 }`, `{ port = 8080 }`, `{ file = "app.pid" }`,
/// `{ command = ["pg_isready"] }`, `{ ended_with = 0 }`, `{ any = [...] }`,
/// `{ all = [...] }`.
///
/// ```
/// use std::time::Duration;
/// use standin_driver::{DriverBuilder, Readiness};
///
/// let options = DriverBuilder::new().ready([
///     Readiness::log(r"listening on (?<port>\d+)"),
///     Readiness::port("{{ extracts.port }}").every(Duration::from_millis(20)),
///     Readiness::any_of([
///         Readiness::file("app.pid"),
///         Readiness::command("app-status", ["--quiet"]),
///         Readiness::predicate("has a name", |driver| !driver.base().name().is_empty()),
///     ]),
/// ]);
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Readiness {
    /// A line of a log matches.
    Log(LogLine),
    /// A TCP port accepts connections.
    Port(PortAccepts),
    /// A command ends with exit code 0.
    Command(CommandSucceeds),
    /// A file exists.
    File(FileExists),
    /// The driver's process has ended with an exit code.
    EndedWith(EndedWith),
    /// A function returns whether the driver is ready.
    Predicate(Predicate),
    /// All of these hold, asked one after the other; one that held once counts.
    All(Conditions),
    /// One of these holds.
    Any(Conditions),
}

impl Readiness {
    /// A line of the driver's log matches, from its beginning: put `.*` in front
    /// of a pattern that may be anywhere. What named groups capture is published
    /// as `extracts`. Lines that were there before the start do not count.
    pub fn log(pattern: impl Into<Pattern>) -> Self {
        Readiness::Log(LogLine {
            pattern: pattern.into(),
            file: None,
            times: 1,
        })
    }

    /// As [`log`](Readiness::log), in another file. The path may be a template;
    /// a relative one starts at the runpath.
    pub fn log_in(file: impl Into<String>, pattern: impl Into<Pattern>) -> Self {
        Readiness::Log(LogLine {
            pattern: pattern.into(),
            file: Some(file.into()),
            times: 1,
        })
    }

    /// A TCP port of this machine accepts connections. The port may be a template, such as `{{
    /// extracts.port }}`. Checked every 20 ms. If another program listens on the port before the
    /// start, the start fails.
    ///
    /// On Linux the check looks for a listening socket. On other systems, and for other hosts, it
    /// connects and closes the connection at once. A server for a single client is used up by that;
    /// use [`log`](Readiness::log) for it.
    pub fn port(port: impl Into<Setting<Port>>) -> Self {
        Self::port_on("localhost", port)
    }

    /// As [`port`](Readiness::port), on another host.
    pub fn port_on(host: impl Into<Setting<String>>, port: impl Into<Setting<Port>>) -> Self {
        Readiness::Port(PortAccepts {
            host: host.into(),
            port: port.into(),
            interval: port::INTERVAL,
        })
    }

    /// A command ends with exit code 0. It runs in the runpath, and again 200 ms
    /// after it has ended with another. The words may be templates.
    pub fn command<W: Into<String>>(
        program: impl Into<String>,
        args: impl IntoIterator<Item = W>,
    ) -> Self {
        let mut words = vec![program.into()];
        words.extend(args.into_iter().map(Into::into));
        Readiness::Command(CommandSucceeds {
            words,
            interval: command::INTERVAL,
        })
    }

    /// A file or directory was created or written since the start. The path may be a template; a
    /// relative one starts at the runpath.
    pub fn file(path: impl Into<String>) -> Self {
        Readiness::File(FileExists { path: path.into() })
    }

    /// The driver's process has ended with this exit code, or the negative number
    /// of the signal that ended it: the driver is a job that runs once, and what
    /// needs it starts when it is done.
    pub fn ended_with(code: i32) -> Self {
        Readiness::EndedWith(EndedWith { code })
    }

    /// The function answers [`Check::Ready`], or `true`. Asked every 50 ms, and
    /// whenever the driver is [notified](standin_entity::Resource::notify).
    /// `what` is what errors call it.
    pub fn predicate<C: Into<Check>>(
        what: impl Into<String>,
        predicate: impl Fn(&dyn Driver) -> C + Send + Sync + 'static,
    ) -> Self {
        Readiness::Predicate(Predicate::new(what.into(), move |driver| {
            Ok(predicate(driver).into())
        }))
    }

    /// All of these hold. Conditions may be within 32 others.
    pub fn all_of(conditions: impl IntoIterator<Item = Readiness>) -> Self {
        Readiness::All(Conditions::new(conditions))
    }

    /// At least one of these holds. Conditions may be within 32 others.
    pub fn any_of(conditions: impl IntoIterator<Item = Readiness>) -> Self {
        Readiness::Any(Conditions::new(conditions))
    }

    /// Sets how many lines of a log have to match, by default 1: a program may print that it is
    /// ready once for its set-up, and once for good. For combined conditions, it applies to each
    /// log among them.
    #[must_use]
    pub fn times(self, times: u64) -> Self {
        match self {
            Readiness::Log(log) => Readiness::Log(LogLine { times, ..log }),
            Readiness::All(conditions) => Readiness::All(conditions.times(times)),
            Readiness::Any(conditions) => Readiness::Any(conditions.times(times)),
            other => other,
        }
    }

    /// Sets how long to wait between two checks; for combined conditions, it applies to each of
    /// them. Logs and files are noticed by events, and ignore it where events are supported.
    #[must_use]
    pub fn every(self, interval: Duration) -> Self {
        match self {
            Readiness::Port(port) => Readiness::Port(PortAccepts { interval, ..port }),
            Readiness::Command(command) => Readiness::Command(CommandSucceeds {
                interval,
                ..command
            }),
            Readiness::Predicate(predicate) => Readiness::Predicate(Predicate {
                interval,
                ..predicate
            }),
            Readiness::All(conditions) => Readiness::All(conditions.every(interval)),
            Readiness::Any(conditions) => Readiness::Any(conditions.every(interval)),
            Readiness::Log(_) | Readiness::File(_) | Readiness::EndedWith(_) => self,
        }
    }

    /// Whether it waits for the driver's process to end with this exit code, so
    /// that such an end is not a failure of the start.
    pub fn awaits_exit(&self, code: i32) -> bool {
        match self {
            Readiness::EndedWith(ended) => ended.code == code,
            Readiness::All(conditions) | Readiness::Any(conditions) => conditions
                .iter()
                .any(|condition| condition.awaits_exit(code)),
            _ => false,
        }
    }

    /// Whether it waits for logs or other files.
    pub(crate) fn is_about_files(&self) -> bool {
        match self {
            Readiness::Log(_) | Readiness::File(_) => true,
            Readiness::All(conditions) | Readiness::Any(conditions) => {
                conditions.iter().any(Readiness::is_about_files)
            }
            _ => false,
        }
    }

    /// The shortest interval in it, if there is one.
    pub(crate) fn interval(&self) -> Option<Duration> {
        match self {
            Readiness::Port(port) => Some(port.interval),
            Readiness::Command(_)
            | Readiness::Log(_)
            | Readiness::File(_)
            | Readiness::EndedWith(_) => None,
            Readiness::Predicate(predicate) => Some(predicate.interval),
            Readiness::All(conditions) | Readiness::Any(conditions) => {
                conditions.iter().filter_map(Readiness::interval).min()
            }
        }
    }

    /// Refuses a condition that holds before the start: it would show nothing about the driver.
    pub(crate) fn check_before(&self, driver: &dyn Driver) -> Result<(), PortInUse> {
        match self {
            Readiness::Port(port) => port.check_before(driver),
            Readiness::All(conditions) | Readiness::Any(conditions) => conditions
                .iter()
                .try_for_each(|condition| condition.check_before(driver)),
            _ => Ok(()),
        }
    }

    fn checked(self) -> Result<Self, ValueError> {
        self.check().map(|()| self)
    }

    pub(crate) fn probe(&self) -> Box<dyn Probe> {
        match self {
            Readiness::Log(log) => log.probe(),
            Readiness::Port(port) => asking(self.to_string(), port.question()),
            Readiness::Command(command) => asking(self.to_string(), command.question()),
            Readiness::File(file) => asking(self.to_string(), file.clone()),
            Readiness::EndedWith(ended) => asking(self.to_string(), *ended),
            Readiness::Predicate(predicate) => asking(self.to_string(), predicate.clone()),
            Readiness::All(conditions) => combined::all(conditions),
            Readiness::Any(conditions) => combined::any(conditions),
        }
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, conditions: &[Readiness]| {
            for (index, condition) in conditions.iter().enumerate() {
                let comma = if index > 0 { ", " } else { "" };
                write!(f, "{comma}{condition}")?;
            }
            Ok(())
        };
        match self {
            Readiness::Log(log) => write!(f, "log `{}`", log.pattern),
            Readiness::Port(port) => write!(f, "port {}", port.port),
            Readiness::Command(command) => write!(f, "command `{}`", command.words.join(" ")),
            Readiness::File(file) => write!(f, "file `{}`", file.path),
            Readiness::EndedWith(ended) => write!(f, "end with exit code {}", ended.code),
            Readiness::Predicate(predicate) => write!(f, "{}", predicate.what),
            Readiness::All(conditions) => {
                f.write_str("all of (")?;
                list(f, conditions)?;
                f.write_str(")")
            }
            Readiness::Any(conditions) => {
                f.write_str("any of (")?;
                list(f, conditions)?;
                f.write_str(")")
            }
        }
    }
}

/// A table with these keys, each with what it is for, and no other.
fn table(required: (&str, Kind, &str), optional: &[(&str, Kind, &str)]) -> Kind {
    let (name, kind, docs) = required;
    let mut builder = ConfigDescription::builder("condition")
        .option(OptionDescription::required(name, kind).docs_are(docs));
    for (name, kind, docs) in optional {
        let kind = Kind::Union(vec![kind.clone(), Kind::Null]);
        let option = OptionDescription::with_default(*name, kind, Value::Null);
        builder = builder.option(option.docs_are(*docs));
    }
    Kind::Nested(builder.build())
}

/// How often a log has to match.
fn times() -> Kind {
    Kind::Int {
        min: Some(1),
        max: None,
    }
}

/// What conditions are written as; some hold others.
fn condition() -> Kind {
    let interval = "How long to wait between two checks.";
    let port = Kind::Union(vec![<Setting<Port>>::kind(), Kind::Template]);
    let host = Kind::Union(vec![Kind::Template, Kind::Context]);
    let words = Kind::List(Box::new(Kind::Template));
    let conditions = || Kind::List(Box::new(Readiness::kind()));
    Kind::Union(vec![
        table(
            (
                "log",
                Kind::Pattern,
                "A regular expression that a line of the log matches, from its beginning.",
            ),
            &[
                (
                    "file",
                    Kind::Template,
                    "The log to look in; a relative path starts at the runpath. Default: the \
                     log of the driver.",
                ),
                ("times", times(), "How many lines must match. Default: one."),
            ],
        ),
        table(
            (
                "port",
                port,
                "A TCP port that accepts connections, such as `{{ port }}`.",
            ),
            &[
                ("host", host, "The host of the port. Default: `localhost`."),
                ("interval", Kind::Duration, interval),
            ],
        ),
        table(
            (
                "command",
                words,
                "A command that ends with exit code 0, as a list of words.",
            ),
            &[("interval", Kind::Duration, interval)],
        ),
        table(
            (
                "file",
                Kind::Template,
                "A file or directory that exists; a relative path starts at the runpath.",
            ),
            &[],
        ),
        table(
            (
                "ended_with",
                EndedWith::codes(),
                "The exit code that the driver has ended with.",
            ),
            &[],
        ),
        table(("all", conditions(), "Conditions that all hold."), &[]),
        table(("any", conditions(), "Conditions of which one holds."), &[]),
    ])
}

impl OptionValue for Readiness {
    fn kind() -> Kind {
        static CONDITION: LazyLock<Kind> = LazyLock::new(condition);
        Kind::lazy::<Self>(|| CONDITION.clone())
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let unfit = || {
            ValueError::new(
                "a condition, such as { log = \"...\" }, { port = 80 }, { file = \"...\" }, { command = [\"...\"] }, { ended_with = 0 }, { all = [...] } or { any = [...] }",
                value.to_string(),
            )
        };
        let Some(entries) = value.as_map() else {
            return Err(unfit());
        };
        let only = |keys: &[&str]| match entries.keys().all(|key| keys.contains(&key.as_str())) {
            true => Ok(()),
            false => Err(unfit()),
        };
        let entry = |key: &str| entries.get(key).filter(|value| !value.is_null());
        let interval = part(entry("interval"), "interval")?;
        let every = |condition: Self| match interval {
            Some(interval) => condition.every(interval),
            None => condition,
        };
        if let Some(pattern) = part(entry("log"), "log")? {
            only(&["log", "file", "times"])?;
            let log = Readiness::Log(LogLine {
                pattern,
                file: part(entry("file"), "file")?,
                times: part(entry("times"), "times")?.unwrap_or(1),
            });
            return log.checked();
        }
        if let Some(port) = entry("port") {
            only(&["port", "host", "interval"])?;
            let host = part(entry("host"), "host")?;
            let port = match port.as_str() {
                Some(template) if template.contains("{{") => Setting::from(template),
                _ => Setting::from_value(port).map_err(|error| error.at_key("port"))?,
            };
            let host = host.unwrap_or_else(|| Setting::from("localhost"));
            return every(Self::port_on(host, port)).checked();
        }
        if let Some(words) = part::<Vec<String>>(entry("command"), "command")? {
            only(&["command", "interval"])?;
            let (program, args) = words.split_first().ok_or_else(unfit)?;
            return Ok(every(Self::command(program, args)));
        }
        if let Some(path) = part::<String>(entry("file"), "file")? {
            only(&["file"])?;
            return Self::file(path).checked();
        }
        if let Some(code) = part(entry("ended_with"), "ended_with")? {
            only(&["ended_with"])?;
            return Self::ended_with(code).checked();
        }
        for (key, combined) in [
            ("all", Readiness::All as fn(Conditions) -> Readiness),
            ("any", Readiness::Any),
        ] {
            if let Some(conditions) = entry(key) {
                only(&[key])?;
                let conditions = Conditions::from_value(conditions);
                return conditions.map(combined).map_err(|error| error.at_key(key));
            }
        }
        Err(unfit())
    }

    fn to_value(&self) -> Value {
        let mut entries: Vec<(&str, Value)> = Vec::new();
        match self {
            Readiness::Log(log) => {
                entries.push(("log", log.pattern.to_value()));
                entries.extend(log.file.as_ref().map(|file| ("file", file.to_value())));
                if log.times != 1 {
                    entries.push(("times", log.times.to_value()));
                }
            }
            Readiness::Port(port) => {
                entries.push(("port", port.port.to_value()));
                entries.push(("host", port.host.to_value()));
                entries.push(("interval", port.interval.to_value()));
            }
            Readiness::Command(command) => {
                entries.push(("command", command.words.to_value()));
                entries.push(("interval", command.interval.to_value()));
            }
            Readiness::File(file) => entries.push(("file", file.path.to_value())),
            Readiness::EndedWith(ended) => entries.push(("ended_with", ended.code.to_value())),
            Readiness::All(conditions) => entries.push(("all", conditions.to_value())),
            Readiness::Any(conditions) => entries.push(("any", conditions.to_value())),
            // It has no written form that could be read again; this is for people.
            Readiness::Predicate(predicate) => {
                entries.push(("predicate", Value::from(predicate.what.as_str())));
            }
        }
        entries.into_iter().collect()
    }

    fn check(&self) -> Result<(), ValueError> {
        match self {
            Readiness::Log(log) => {
                times()
                    .check(&log.times.to_value())
                    .map_err(|error| error.at_key("times"))?;
                log.pattern.check().map_err(|error| error.at_key("log"))
            }
            Readiness::Port(port) => port.check(),
            Readiness::File(file) => file.check(),
            Readiness::EndedWith(ended) => ended.check(),
            Readiness::All(conditions) | Readiness::Any(conditions) => conditions.check(),
            Readiness::Command(_) | Readiness::Predicate(_) => Ok(()),
        }
    }
}

/// The value under a key of a condition, if there is one.
fn part<T: OptionValue>(value: Option<&Value>, key: &str) -> Result<Option<T>, ValueError> {
    let read = value.map(T::from_value).transpose();
    read.map_err(|error| error.at_key(key))
}

/// A path that may be a template; a relative one starts at the runpath.
fn path(driver: &dyn Driver, template: &str) -> standin_entity::Result<PathBuf> {
    use crate::Lifecycle;
    let path = PathBuf::from(driver.render_template(template)?);
    match driver.base().resource().entity().runpath() {
        Some(runpath) => Ok(runpath.join(path)),
        None => Ok(path),
    }
}
