use miette::Diagnostic;
use standin::config::ConfigErrors;
use standin::environment::LoadError;
use standin::error::text::Names;
use thiserror::Error;

use crate::Setting;

/// A session cannot be made of a file and settings.
#[derive(Error, Diagnostic)]
#[non_exhaustive]
pub enum SessionError {
    /// The file cannot be read, or has mistakes: all of them.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Load(#[from] LoadError),
    /// A setting has no `=`, or nothing before it.
    #[error("\"{}\" is not a setting", text.escape_debug())]
    #[diagnostic(
        code(standin::session::not_a_setting),
        help(
            "write `driver.option=value`, such as `bank.port=8080`, or `option=value` for an \
             option of the environment"
        )
    )]
    NotASetting {
        /// What was given.
        text: String,
    },
    /// A setting names a driver that the environment does not have.
    #[error("setting `{setting}`: there is no driver \"{driver}\"")]
    #[diagnostic(
        code(standin::session::unknown_driver),
        help("{}", known_drivers(nearest.as_deref(), known))
    )]
    UnknownDriver {
        /// The setting.
        setting: Setting,
        /// The name that no driver has.
        driver: String,
        /// The driver that was probably meant.
        nearest: Option<String>,
        /// The drivers that there are.
        known: Vec<String>,
    },
    /// A setting names an option that does not exist.
    #[error("setting `{setting}`: {owner} has no option \"{option}\"")]
    #[diagnostic(
        code(standin::session::unknown_option),
        help("{}", known_options(nearest.as_deref()))
    )]
    UnknownOption {
        /// The setting.
        setting: Setting,
        /// Whose option it would be.
        owner: String,
        /// The name that no option has.
        option: String,
        /// The option that was probably meant.
        nearest: Option<String>,
    },
    /// The option cannot have that value.
    #[error("setting `{setting}` is refused")]
    #[diagnostic(code(standin::session::refused_setting))]
    Refused {
        /// The setting.
        setting: Setting,
        /// What is wrong with the value.
        #[source]
        #[diagnostic_source]
        errors: ConfigErrors,
    },
}

standin::reportable!(SessionError { Load });

fn known_drivers(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None if known.is_empty() => "the environment has no drivers".to_owned(),
        None => format!("the drivers are: {}", Names(known)),
    }
}

fn known_options(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("did you mean \"{nearest}\"?"),
        None => "`standin options` lists the options of each type".to_owned(),
    }
}
