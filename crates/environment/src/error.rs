use std::path::PathBuf;

use miette::Diagnostic;
use standin_config::nearest;
use standin_entity::{BuildError, Error, JoinError, NameError};
use standin_error::text::Names;
use thiserror::Error;

use crate::file::{FileErrors, ReadError};

/// A driver cannot be added to an environment, or removed from it.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum AddError {
    /// The environment has a driver of that name.
    #[error("environment \"{environment}\" already has a driver \"{name}\"")]
    #[diagnostic(
        code(standin::environment::duplicate_name),
        help("give one of them another name, or add it under another one with `add_as`")
    )]
    DuplicateName {
        /// The environment.
        environment: String,
        /// The name that is taken.
        name: String,
    },
    /// The driver is in another environment.
    #[error("driver \"{name}\" is in another environment than \"{environment}\" already")]
    #[diagnostic(
        code(standin::environment::in_two_environments),
        help(
            "create a separate driver for each environment; an environment can also be the parent of another one"
        )
    )]
    InAnotherEnvironment {
        /// The environment.
        environment: String,
        /// The driver.
        name: String,
    },
    /// The driver would empty the directory of another one at its start.
    #[error(
        "driver \"{name}\" of environment \"{environment}\" has the runpath of driver \"{other}\": {}",
        runpath.display()
    )]
    #[diagnostic(
        code(standin::environment::same_runpath),
        help(
            "give one of them another `runpath`, or set `path_cleanup = false` so that the start of \"{name}\" empties nothing"
        )
    )]
    SameRunpath {
        /// The environment.
        environment: String,
        /// The driver.
        name: String,
        /// The driver that has it already.
        other: String,
        /// The directory.
        runpath: PathBuf,
    },
    /// The environment or the driver has a name that it cannot have.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    /// The environment belongs to another one already, or to none below it.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Parent(#[from] JoinError),
}

standin_error::reportable!(AddError { Name, Parent });

/// An environment cannot be created from a file.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be read, or it has mistakes: all of them.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Read(#[from] ReadError),
    /// The text has mistakes: all of them.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Mistakes(#[from] FileErrors),
    /// The environment cannot be created from its options.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Environment(#[from] BuildError),
    /// The document is one of another kind of environment.
    #[error("the document does not have the options of an environment")]
    #[diagnostic(
        code(standin::environment::other_options),
        help("make the document with `EnvironmentBuilder`")
    )]
    OtherOptions,
    /// The document names a type that is not registered.
    #[error("driver \"{driver}\" has the type \"{type_name}\", which is not registered")]
    #[diagnostic(code(standin::environment::unknown_type), help("register it, or use one of: {}", known.join(", ")))]
    UnknownType {
        /// The driver.
        driver: String,
        /// Its type.
        type_name: String,
        /// The types that are registered.
        known: Vec<String>,
    },
    /// A driver refuses its options.
    #[error("driver \"{driver}\" cannot be made")]
    #[diagnostic(code(standin::environment::load_driver))]
    Driver {
        /// The driver.
        driver: String,
        /// Why.
        #[source]
        #[diagnostic_source]
        cause: Error,
    },
    /// The drivers cannot be brought into an order.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Dependency(#[from] DependencyError),
}

standin_error::reportable!(LoadError {
    Read,
    Mistakes,
    Environment,
    Dependency
});

/// No such driver can be looked up.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum LookupError {
    /// No driver has that name.
    #[error("environment \"{environment}\" has no driver \"{name}\"")]
    #[diagnostic(
        code(standin::environment::unknown_driver),
        help("{}{}", meant(name, known), list("it has", known))
    )]
    UnknownDriver {
        /// The environment.
        environment: String,
        /// The name.
        name: String,
        /// The names that it has.
        known: Vec<String>,
    },
    /// The driver of that name is of another type.
    #[error("driver \"{name}\" of environment \"{environment}\" is a {kind}, not a {wanted}")]
    #[diagnostic(code(standin::environment::other_type), help("ask for a {kind}"))]
    OtherType {
        /// The environment.
        environment: String,
        /// The name.
        name: String,
        /// The type of the driver.
        kind: String,
        /// The requested type.
        wanted: String,
    },
}

standin_error::reportable!(LookupError);

/// The drivers cannot be brought into an order.
#[derive(Clone, Error, Diagnostic)]
#[non_exhaustive]
pub enum DependencyError {
    /// A dependency names a driver that the environment lacks.
    #[error(
        "a dependency names \"{name}\", which is not a driver of environment \"{environment}\""
    )]
    #[diagnostic(
        code(standin::environment::unknown_dependency),
        help(
            "{}add the driver first; {}",
            meant(name, known),
            list("the drivers are", known)
        )
    )]
    UnknownDriver {
        /// The environment.
        environment: String,
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// A context value names a driver that the environment lacks.
    #[error(
        "option \"{option}\" of driver \"{reader}\" reads the context of \"{name}\", which is not a driver of environment \"{environment}\""
    )]
    #[diagnostic(
        code(standin::environment::unknown_context),
        help("{}{}", meant(name, known), list("the drivers are", known))
    )]
    UnknownContext {
        /// The environment.
        environment: String,
        /// The driver that has the context value.
        reader: String,
        /// Its option.
        option: String,
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// Drivers wait for each other in a circle.
    #[error("drivers wait for each other: {}", circle(drivers))]
    #[diagnostic(
        code(standin::environment::cycle),
        help(
            "an arrow means \"starts before\"; remove one, either a declared dependency or a context value"
        )
    )]
    Cycle {
        /// The drivers of the circle; the last one starts before the first.
        drivers: Vec<String>,
    },
    /// In declared order, a driver reads the context of one that starts later.
    #[error(
        "option \"{option}\" of driver \"{reader}\" reads the context of \"{later}\", which starts later"
    )]
    #[diagnostic(
        code(standin::environment::later_driver),
        help(
            "add \"{later}\" before \"{reader}\", or set `concurrent` on the environment: then \"{reader}\" starts when \"{later}\" is up"
        )
    )]
    StartsLater {
        /// The driver that has the context value.
        reader: String,
        /// Its option.
        option: String,
        /// The driver that it names.
        later: String,
    },
    /// With dependencies, `async_start` has no meaning.
    #[error(
        "driver \"{driver}\" sets `async_start`, but environment \"{environment}\" starts its drivers by their dependencies"
    )]
    #[diagnostic(
        code(standin::environment::async_start),
        help(
            "leave `async_start` out: drivers that do not depend on each other start at the same time anyway"
        )
    )]
    AsyncStart {
        /// The environment.
        environment: String,
        /// The driver.
        driver: String,
    },
}

standin_error::reportable!(DependencyError);

fn list(before: &str, names: &[String]) -> String {
    if names.is_empty() {
        return "it has no drivers yet".to_owned();
    }
    format!("{before}: {}", Names(names))
}

fn circle(drivers: &[String]) -> String {
    let mut names: Vec<&str> = drivers.iter().map(String::as_str).collect();
    names.extend(drivers.first().map(String::as_str));
    names.join(" -> ")
}

/// Nothing, or the name that was probably meant.
fn meant(name: &str, known: &[String]) -> String {
    nearest(name, known.iter().map(String::as_str))
        .map_or_else(String::new, |name| format!("did you mean \"{name}\"? "))
}

/// A variable of the option `export` cannot be filled in.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[error("environment \"{environment}\" cannot fill in the variable {name:?} of `export`: {reason}")]
#[diagnostic(
    code(standin::environment::export),
    help(
        "templates read what drivers publish while they are up, such as \
         `{{{{ context.server.port }}}}`"
    )
)]
#[non_exhaustive]
pub struct ExportError {
    /// The environment.
    pub environment: String,
    /// The variable.
    pub name: String,
    /// Why its value has no text.
    pub reason: String,
}

standin_error::reportable!(ExportError);
