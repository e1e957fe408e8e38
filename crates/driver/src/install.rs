//! Files that a driver gets before it starts.

use std::fs::{self, Permissions};
use std::io;
use std::path::{Component, Path, PathBuf};

use standin_config::{Config, Kind, Markup, OptionValue, Value, ValueError};

use crate::error::{InstallError, TemplateText};
use crate::template::{self, Scope};
use crate::{Driver, Lifecycle};

/// A file that a driver gets before it starts, such as a config file with the
/// addresses of others filled in.
///
/// The file is a template over the driver's own context (`{{ runpath }}`) and
/// that of others (`{{ context.server.port }}`), and so are both paths. The language
/// is Jinja's, with `{# comments #}` in files; Tempita is not here. Its mode bits are
/// kept. What is not UTF-8 is copied as it is.
///
/// In an environment file it is a path, a pair of source and destination, or a
/// table: `{ source = "app.conf", destination = "etc/app.conf", verbatim = true }`.
///
/// ```
/// use standin_driver::{DriverBuilder, InstallFile};
///
/// let options = DriverBuilder::new().install_files([
///     InstallFile::new("templates/app.conf"),
///     InstallFile::new("templates/run.sh").to("bin/run.sh").verbatim(),
/// ]);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallFile {
    source: PathBuf,
    destination: Option<String>,
    verbatim: bool,
}

impl InstallFile {
    /// Creates a file that keeps its name, in the driver's install target, by default its runpath.
    /// A relative path starts at the current directory, in an environment file at the folder of
    /// that file.
    pub fn new(source: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            destination: None,
            verbatim: false,
        }
    }

    /// Puts the file there instead: a relative path starts at the install
    /// target. An existing directory, or a path that ends with a separator,
    /// gets the file under its own name.
    #[must_use]
    pub fn to(mut self, destination: impl Into<String>) -> Self {
        self.destination = Some(destination.into());
        self
    }

    /// Copies the file as it is: `{{`, `{%` and `{#` mean nothing.
    #[must_use]
    pub fn verbatim(mut self) -> Self {
        self.verbatim = true;
        self
    }
}

impl From<&str> for InstallFile {
    fn from(source: &str) -> Self {
        Self::new(source)
    }
}

impl From<String> for InstallFile {
    fn from(source: String) -> Self {
        Self::new(source)
    }
}

impl From<PathBuf> for InstallFile {
    fn from(source: PathBuf) -> Self {
        Self::new(source)
    }
}

impl From<&Path> for InstallFile {
    fn from(source: &Path) -> Self {
        Self::new(source)
    }
}

impl<S: Into<PathBuf>, D: Into<String>> From<(S, D)> for InstallFile {
    fn from((source, destination): (S, D)) -> Self {
        Self::new(source).to(destination)
    }
}

/// A file to install.
#[derive(Clone, Debug, Config)]
#[config(table)]
struct Table {
    /// The file to install; a relative path starts at the folder of this file.
    #[config(template)]
    source: PathBuf,
    /// Where it goes: a file, or a folder when it ends with `/`. A relative path starts where the
    /// driver wants its files, usually the runpath, which is the default.
    #[config(template)]
    destination: Option<String>,
    /// Whether the file is installed as it is, instead of as a template.
    #[config(default = false)]
    verbatim: bool,
}

impl OptionValue for InstallFile {
    fn kind() -> Kind {
        Kind::Union(vec![
            Kind::Path,
            Kind::Tuple(vec![Kind::Path, Kind::String]),
            Table::kind(),
        ])
    }

    fn from_value(value: &Value) -> Result<Self, ValueError> {
        let unfit = || {
            ValueError::new(
                "a path, a list of source and destination, or { source = \"...\", destination = \"...\", verbatim = true }",
                value.to_string(),
            )
        };
        if let Some(source) = value.as_str() {
            return Ok(Self::new(source));
        }
        if let Some([source, destination]) = value.as_list() {
            return match (source.as_str(), destination.as_str()) {
                (Some(source), Some(destination)) => Ok(Self::new(source).to(destination)),
                _ => Err(unfit()),
            };
        }
        if value.as_map().is_none() {
            return Err(unfit());
        }
        let Table {
            source,
            destination,
            verbatim,
        } = Table::from_value(value)?;
        Ok(Self {
            source,
            destination,
            verbatim,
        })
    }

    fn to_value(&self) -> Value {
        let source = Value::from(self.source.clone());
        match (&self.destination, self.verbatim) {
            (None, false) => source,
            (Some(destination), false) => {
                Value::List(vec![source, Value::from(destination.as_str())])
            }
            (destination, true) => {
                let mut entries = vec![("source", source)];
                if let Some(destination) = destination {
                    entries.push(("destination", Value::from(destination.as_str())));
                }
                entries.push(("verbatim", Value::Bool(true)));
                entries.into_iter().collect()
            }
        }
    }
}

/// A file that is ready to be written.
struct Ready {
    source: PathBuf,
    destination: PathBuf,
    bytes: Vec<u8>,
    permissions: Permissions,
}

/// Puts the files in their places. All of them are read and rendered before the
/// first is written, so that a mistake leaves everything as it was.
pub(crate) fn install(driver: &dyn Driver, files: &[InstallFile]) -> Result<(), InstallError> {
    if files.is_empty() {
        return Ok(());
    }
    let scope = driver.base().scope(driver.context());
    let ready = files
        .iter()
        .map(|file| prepare(driver, &scope, file))
        .collect::<Result<Vec<_>, _>>()?;
    for file in &ready {
        write(file).map_err(|source| InstallError::Write {
            driver: driver.name().to_owned(),
            source_path: file.source.clone(),
            path: file.destination.clone(),
            source,
        })?;
        tracing::debug!(
            driver = driver.name(),
            file = %file.destination.display(),
            "installed"
        );
    }
    Ok(())
}

fn prepare(driver: &dyn Driver, scope: &Scope, file: &InstallFile) -> Result<Ready, InstallError> {
    let path = |template: &str| {
        template::render_in(template, scope, Markup::Option).map_err(|failure| {
            InstallError::Path(driver.base().own_error(template, scope, failure))
        })
    };
    let source = match file.source.to_str() {
        Some(text) => PathBuf::from(path(text)?),
        None => file.source.clone(),
    };
    let unreadable = |error| InstallError::Read {
        driver: driver.name().to_owned(),
        path: source.clone(),
        source: error,
    };
    let opened = standin_error::open_file(&source).map_err(unreadable)?;
    let permissions = opened.metadata().map_err(unreadable)?.permissions();
    let name = source.file_name().map(PathBuf::from).unwrap_or_default();
    let target = || {
        driver
            .install_target()
            .ok_or_else(|| InstallError::NoTarget {
                driver: driver.name().to_owned(),
                path: source.clone(),
            })
    };
    let destination = match &file.destination {
        None => target()?.join(&name),
        Some(destination) => {
            let destination = path(destination)?;
            let ends_as_folder = destination.ends_with(std::path::is_separator);
            let mut destination = PathBuf::from(destination);
            let last = destination.components().next_back();
            let is_folder = ends_as_folder || !matches!(last, Some(Component::Normal(_)));
            if destination.is_relative() {
                destination = target()?.join(destination);
            }
            match is_folder || destination.is_dir() {
                true => destination.join(&name),
                false => destination,
            }
        }
    };
    if is_replaced(&source, &destination) {
        return Err(InstallError::AsItself {
            driver: driver.name().to_owned(),
            path: source,
        });
    }
    let bytes = standin_error::read_open_file(opened).map_err(unreadable)?;
    let bytes = match String::from_utf8(bytes) {
        Err(error) => error.into_bytes(),
        Ok(text) if file.verbatim => text.into_bytes(),
        Ok(text) => match template::render_in(&text, scope, Markup::File) {
            Ok(text) => text.into_bytes(),
            Err(failure) => {
                let line = failure.line;
                let reason = failure.error.to_string();
                let cause = driver.base().own_error(&text, scope, failure);
                return Err(InstallError::Template(TemplateText::new(
                    driver.name(),
                    source,
                    text,
                    line,
                    reason,
                    &cause,
                )));
            }
        },
    };
    Ok(Ready {
        source,
        destination,
        bytes,
        permissions,
    })
}

/// Whether what is put at `destination` replaces `source`, or the file that it is a link to.
fn is_replaced(source: &Path, destination: &Path) -> bool {
    let entry = |path: &Path| {
        let path = std::path::absolute(path).ok()?;
        Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?))
    };
    let replaced = entry(destination);
    replaced.is_some() && (replaced == entry(source) || replaced == source.canonicalize().ok())
}

/// By way of a file beside it, so that nobody reads half of it, and one that
/// may not be written to is replaced.
fn write(file: &Ready) -> io::Result<()> {
    let folder = file.destination.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(file.destination.file_name().unwrap_or_default());
    name.push(".installing");
    let beside = folder.join(name);
    let written = fs::write(&beside, &file.bytes)
        .and_then(|()| fs::set_permissions(&beside, file.permissions.clone()))
        .and_then(|()| fs::rename(&beside, &file.destination));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}
