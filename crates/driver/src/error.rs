use miette::Diagnostic;
use standin_config::ConfigErrors;
use thiserror::Error;

/// A driver cannot be made of its options.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum BuildError {
    /// An option is missing, or its value is not allowed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Options(#[from] ConfigErrors),
    /// The name cannot name a driver.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] standin_entity::NameError),
}

/// A context value has no value.
#[derive(Clone, Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum ContextError {
    /// The reading driver is in no environment.
    #[error("driver \"{reader}\" reads the context of \"{driver}\", but is in no environment")]
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
    #[error("driver \"{reader}\" reads the context of \"{driver}\", and no driver has that name")]
    #[diagnostic(code(standin::driver::unknown_driver), help("{}", known_drivers(known, nearest.as_deref())))]
    UnknownDriver {
        /// The driver that has the context value.
        reader: String,
        /// The name that nobody has.
        driver: String,
        /// The names that there are.
        known: Vec<String>,
        /// The one that was probably meant.
        nearest: Option<String>,
    },
    /// The driver publishes nothing of that name, or not yet.
    #[error(
        "driver \"{reader}\" asks \"{driver}\" for `{attribute}` in `{template}`, which \"{driver}\" does not publish"
    )]
    #[diagnostic(code(standin::driver::unknown_attribute), help("{}", known_attributes(driver, known, nearest.as_deref(), status)))]
    UnknownAttribute {
        /// The driver that has the context value.
        reader: String,
        /// The driver that was asked.
        driver: String,
        /// The name that it does not publish.
        attribute: String,
        /// The whole template.
        template: String,
        /// What it publishes.
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
            "templates are Jinja: `{{{{ port }}}}`, `{{{{ port + 1 }}}}`, `{{{{ host | upper }}}}`"
        )
    )]
    Template {
        /// The driver that has the context value.
        reader: String,
        /// The driver that it names.
        driver: String,
        /// The whole template.
        template: String,
        /// What went wrong.
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
        /// What it became.
        text: String,
        /// Why that is no value.
        reason: String,
    },
}

fn known_drivers(known: &[String], nearest: Option<&str>) -> String {
    match (nearest, known) {
        (Some(nearest), _) => format!("did you mean \"{nearest}\"? there are: {}", quoted(known)),
        (None, []) => "the environment is empty: add the driver first".to_owned(),
        (None, known) => format!("there are: {}", quoted(known)),
    }
}

fn known_attributes(
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
    if let Some(status) = status.as_deref().filter(|status| *status != "STARTED") {
        help.push_str(&format!(
            "; its status is {status}, and some attributes appear only once it has started: start \"{driver}\" first"
        ));
    }
    help
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}
