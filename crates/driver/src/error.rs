use std::io;
use std::path::PathBuf;

use miette::{Diagnostic, SourceSpan};
use standin_config::PatternError;
use standin_entity::Status;
use standin_error::SourceText;
use standin_error::text::Names;
use thiserror::Error;

/// A context value has no value.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum ContextError {
    /// The reading driver is in no environment.
    #[error("driver \"{reader}\" reads the context of \"{driver}\", but is not in an environment")]
    #[diagnostic(
        code(standin::driver::no_environment),
        help("add both drivers to one environment, or give \"{reader}\" a plain value")
    )]
    NoEnvironment {
        /// The driver that has the context value.
        reader: String,
        /// The driver that it names.
        driver: String,
    },
    /// No driver of that name is in the environment.
    #[error("driver \"{reader}\" reads the context of \"{driver}\", but no driver has that name")]
    #[diagnostic(code(standin::driver::unknown_driver), help("{}", known_drivers(known, nearest.as_deref())))]
    UnknownDriver {
        /// The driver that has the context value.
        reader: String,
        /// The unknown name.
        driver: String,
        /// The names that there are.
        known: Vec<String>,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// The driver does not publish this name, or not yet.
    #[error(
        "driver \"{reader}\" asks \"{driver}\" for `{attribute}` in `{template}`, which \"{driver}\" does not publish"
    )]
    #[diagnostic(code(standin::driver::unknown_attribute), help("{}", known_attributes(reader, driver, known, nearest.as_deref(), status)))]
    UnknownAttribute {
        /// The driver that has the context value.
        reader: String,
        /// The driver that was asked.
        driver: String,
        /// The name that it does not publish.
        attribute: String,
        /// The whole template.
        template: String,
        /// The published names.
        known: Vec<String>,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// The status of the driver that was asked, if it is one.
        status: Option<String>,
    },
    /// The template does not parse, or fails while it is rendered.
    #[error("driver \"{reader}\" cannot render `{template}` over \"{driver}\": {reason}")]
    #[diagnostic(
        code(standin::driver::template),
        help(
            "templates are Jinja: `{{{{ port }}}}`, `{{{{ port + 1 }}}}`, `{{{{ host | upper }}}}`; braces of another language go between `{{% raw %}}` and `{{% endraw %}}`, or into a `verbatim` text"
        )
    )]
    Template {
        /// The driver that has the context value.
        reader: String,
        /// The driver that it names.
        driver: String,
        /// The whole template.
        template: String,
        /// The failure.
        reason: String,
    },
    /// The rendered text is not what the option needs.
    #[error("driver \"{reader}\": `{template}` over \"{driver}\" gave {text:?}, and {reason}")]
    #[diagnostic(
        code(standin::driver::context_value),
        help("check the template, and what \"{driver}\" publishes")
    )]
    Invalid {
        /// The driver that has the context value.
        reader: String,
        /// The driver that it names.
        driver: String,
        /// The whole template.
        template: String,
        /// The rendered text.
        text: String,
        /// Why that is not a value.
        reason: String,
    },
}

standin_error::reportable!(ContextError);

/// A driver's log cannot tell whether it is ready.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum LogError {
    /// Something is to be looked for in a file that the driver does not have.
    #[error("driver \"{driver}\" has no {what} for {reader} to look in")]
    #[diagnostic(
        code(standin::driver::no_log),
        help("let the driver's `{method}` say where the file is, or do without {reader}")
    )]
    NoFile {
        /// The driver.
        driver: String,
        /// What uses the log: an option, a condition, a matcher.
        reader: String,
        /// What is missing.
        what: &'static str,
        /// The method of the driver that returns its path.
        method: &'static str,
    },
    /// The file exists but cannot be read.
    #[error("driver \"{driver}\" cannot read its log `{}`", path.display())]
    #[diagnostic(
        code(standin::driver::log_unreadable),
        help("it must be a file that this user may read")
    )]
    Read {
        /// The driver.
        driver: String,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The captured bytes of a group are not text.
    #[error(
        "driver \"{driver}\": the group `{group}` captured bytes that are not valid UTF-8, in {line:?}"
    )]
    #[diagnostic(
        code(standin::driver::extract_not_text),
        help("let the group capture only what is text, such as `\\d+`")
    )]
    NotText {
        /// The driver.
        driver: String,
        /// The group.
        group: String,
        /// The line, with replacements.
        line: String,
    },
    /// A pattern is not a regular expression.
    #[error("driver \"{driver}\": {source}")]
    #[diagnostic(
        code(standin::driver::log_pattern),
        help("the syntax is that of the `regex` crate")
    )]
    Pattern {
        /// The driver.
        driver: String,
        /// The reason.
        source: PatternError,
    },
}

standin_error::reportable!(LogError);

/// A readiness check of a port is meaningless: another program already listens there.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[error(
    "driver \"{driver}\" waits for port {port} of {host}, which already accepted connections before the start"
)]
#[diagnostic(
    code(standin::driver::port_in_use),
    help("stop the program that listens there, or use another port; `ss -ltnp` lists it")
)]
#[non_exhaustive]
pub struct PortInUse {
    /// The driver.
    pub driver: String,
    /// The host, as the condition names it.
    pub host: String,
    /// The port.
    pub port: u16,
}

standin_error::reportable!(PortInUse);

/// A readiness condition can never hold.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImpossibleCondition {
    /// It waits for a port where there is none.
    #[error("driver \"{driver}\" waits for port {port} of {host}, where nothing can listen")]
    #[diagnostic(
        code(standin::driver::no_port),
        help(
            "a Unix socket (`unix:`) has no port, and port 0 asks for a free one: wait for the file of the socket, for the port that was chosen, or for a line of the log"
        )
    )]
    NoPort {
        /// The driver.
        driver: String,
        /// The host, as it was resolved.
        host: String,
        /// The port.
        port: u16,
    },
    /// It waits for the end of a process, and the driver has none.
    #[error("driver \"{driver}\" waits to end with exit code {code}, but has no process that ends")]
    #[diagnostic(
        code(standin::driver::no_process),
        help("leave the condition `ended_with` out: only a program ends with an exit code")
    )]
    NoProcess {
        /// The driver.
        driver: String,
        /// The exit code of the condition.
        code: i32,
    },
}

standin_error::reportable!(ImpossibleCondition);

/// A file cannot be installed. Nothing has been written then, unless writing is
/// what failed.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum InstallError {
    /// It is not there, may not be read, or is not a regular file.
    #[error("driver \"{driver}\" cannot install `{}`", path.display())]
    #[diagnostic(
        code(standin::driver::install_source),
        help(
            "relative paths start at the current directory of the test, in an environment file at its folder"
        )
    )]
    Read {
        /// The driver.
        driver: String,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file would be replaced by what is made of it.
    #[error("driver \"{driver}\" cannot install `{}` as itself", path.display())]
    #[diagnostic(
        code(standin::driver::install_as_itself),
        help("leave out the destination, or name another file: the template would be lost")
    )]
    AsItself {
        /// The driver.
        driver: String,
        /// The file.
        path: PathBuf,
    },
    /// There is nowhere to put it.
    #[error("driver \"{driver}\" has no place to install `{}` at", path.display())]
    #[diagnostic(
        code(standin::driver::no_install_target),
        help(
            "give the file an absolute destination, or let the driver's `install_target` say where files go"
        )
    )]
    NoTarget {
        /// The driver.
        driver: String,
        /// The file.
        path: PathBuf,
    },
    /// The source or the destination is a template that fails.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Path(ContextError),
    /// Its content is a template that fails.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Template(TemplateText),
    /// It cannot be written.
    #[error("driver \"{driver}\" cannot install `{}` as `{}`", source_path.display(), path.display())]
    #[diagnostic(
        code(standin::driver::install_write),
        help("check that the directory is writable")
    )]
    Write {
        /// The driver.
        driver: String,
        /// The file.
        source_path: PathBuf,
        /// Where it should have gone.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

standin_error::reportable!(InstallError { Path, Template });

/// A file whose template fails, with the line.
#[derive(Error, Diagnostic)]
#[error("driver \"{driver}\" cannot install `{}`: {reason}", at(path, *line))]
#[diagnostic(code(standin::driver::install_template))]
pub struct TemplateText {
    driver: String,
    path: PathBuf,
    line: Option<usize>,
    reason: String,
    #[source_code]
    text: SourceText,
    #[label("here")]
    span: Option<SourceSpan>,
    #[help]
    help: String,
}

standin_error::reportable!(TemplateText);

impl TemplateText {
    pub(crate) fn new(
        driver: &str,
        path: PathBuf,
        text: String,
        line: Option<usize>,
        reason: String,
        cause: &ContextError,
    ) -> Self {
        let span = line.and_then(|line| {
            let mut start = 0;
            for (index, content) in text.split_inclusive('\n').enumerate() {
                if index + 1 == line {
                    return Some(SourceSpan::from((start, content.trim_end().len())));
                }
                start += content.len();
            }
            None
        });
        let known = Diagnostic::help(cause).map(|help| help.to_string());
        Self {
            driver: driver.to_owned(),
            line,
            reason,
            text: SourceText::new(path.display().to_string(), text),
            path,
            span,
            help: format!(
                "{}; to install a file that is not a template, set `verbatim`",
                known.unwrap_or_default()
            ),
        }
    }

    /// Returns the file.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Returns the line of it, counted from 1, if it is known.
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

fn at(path: &std::path::Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", path.display()),
        None => path.display().to_string(),
    }
}

/// The file of `file_logger` cannot be opened.
#[derive(Error, Diagnostic)]
#[error("driver \"{driver}\" cannot write its log to `{}`", path.display())]
#[diagnostic(
    code(standin::driver::file_logger),
    help("`file_logger` must be a writable path below the runpath")
)]
pub(crate) struct FileLogError {
    pub(crate) driver: String,
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

standin_error::reportable!(FileLogError);

fn known_drivers(known: &[String], nearest: Option<&str>) -> String {
    match (nearest, known) {
        (Some(nearest), _) => format!(
            "did you mean \"{nearest}\"? the drivers are: {}",
            Names(known)
        ),
        (None, []) => "the environment is empty: add the driver first".to_owned(),
        (None, known) => format!("the drivers are: {}", Names(known)),
    }
}

fn known_attributes(
    reader: &str,
    driver: &str,
    known: &[String],
    nearest: Option<&str>,
    status: &Option<String>,
) -> String {
    let mut help = match nearest {
        Some(nearest) => format!("did you mean `{nearest}`? "),
        None => String::new(),
    };
    help.push_str(&format!("\"{driver}\" publishes: {}", known.join(", ")));
    if reader == driver {
        help.push_str(", some of them only from a later step of its start on");
        help.push_str("; what other drivers publish is `{{ context.NAME.ATTRIBUTE }}`");
        return help;
    }
    let status: Option<Status> = status.as_deref().and_then(|status| status.parse().ok());
    if let Some(status) = status.filter(|status| *status != Status::Started) {
        help.push_str(&format!(
            "; {}, and some attributes appear only once it has started: start \"{driver}\" first",
            status.in_words()
        ));
    }
    help
}

#[cfg(test)]
mod tests {
    use super::known_attributes;

    #[test]
    fn an_attribute_may_be_missing_because_the_driver_has_not_started() {
        let help = |status: &str| {
            let known = ["name".to_owned()];
            known_attributes("app", "db", &known, None, &Some(status.to_owned()))
        };
        assert_eq!(help("STARTED"), "\"db\" publishes: name");
        assert_eq!(
            help("NONE"),
            "\"db\" publishes: name; it was never started, and some attributes appear only \
             once it has started: start \"db\" first"
        );
    }

    #[test]
    fn nobody_is_told_to_start_a_driver_before_itself() {
        let known = ["name".to_owned()];
        let help = known_attributes("db", "db", &known, None, &Some("STARTING".to_owned()));
        assert_eq!(
            help,
            "\"db\" publishes: name, some of them only from a later step of its start on; what \
             other drivers publish is `{{ context.NAME.ATTRIBUTE }}`"
        );
    }
}
