//! [`TypeRegistry`]: the driver types that files may name.

use indexmap::IndexMap;
use miette::Diagnostic;
use standin_config::{Config, ConfigDescription, OptionDescription};
use thiserror::Error;

use super::keys::{AFTER, TYPE};

/// The options of an environment and the driver types that its file may name.
///
/// It reads environment files, and the JSON Schema and the reference table are generated from it.
///
/// ```
/// use std::time::Duration;
/// use standin_config::{Config, Value};
/// use standin_environment::file::TypeRegistry;
///
/// /// The options of an environment.
/// #[derive(Clone, Debug, Config)]
/// struct EnvironmentConfig {
///     /// Its name.
///     name: String,
///     /// How long its drivers may take to start.
///     #[config(inherited, fallback = Duration::from_secs(300))]
///     timeout: Duration,
/// }
///
/// /// A peer that says hello.
/// #[derive(Clone, Debug, Config)]
/// #[config(type_name = "greeter")]
/// struct GreeterConfig {
///     /// Its name.
///     name: String,
///     /// What it says.
///     #[config(default = "hello")]
///     greeting: String,
/// }
///
/// let mut registry = TypeRegistry::new(EnvironmentConfig::description());
/// registry.register(GreeterConfig::description())?;
/// let document = registry.parse("environment.toml", r#"
///     name = "greeting"
///
///     [[driver]]
///     type = "greeter"
///     name = "polite"
///     greeting = "good morning"
/// "#)?;
/// assert_eq!(document.entries()[0].layer().get("greeting"), Some(Value::from("good morning")));
/// # Ok::<(), miette::Report>(())
/// ```
#[derive(Clone, Debug)]
pub struct TypeRegistry {
    environment: ConfigDescription,
    types: IndexMap<String, ConfigDescription>,
}

/// Why a type cannot be registered.
#[derive(Clone, Error, Diagnostic, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// The config has no type name for files.
    #[error("config {config:?} has no type name")]
    #[diagnostic(
        code(standin::environment::no_type_name),
        help("declare one: #[config(type_name = \"my-driver\")]")
    )]
    NoTypeName {
        /// The config.
        config: String,
    },
    /// The type name is taken.
    #[error("the driver type {type_name:?} is registered already")]
    #[diagnostic(
        code(standin::environment::type_registered),
        help("choose another type name, or register the type once")
    )]
    Taken {
        /// The name.
        type_name: String,
    },
    /// Every driver of a file has a name, so every type has an option for it.
    #[error("config {config:?} has no option \"name\"")]
    #[diagnostic(
        code(standin::environment::no_name_option),
        help("include the options of a driver: #[config(include)] driver: DriverConfig")
    )]
    NoName {
        /// The config.
        config: String,
    },
    /// The default of an option breaks the rules that the option itself declares.
    #[error("config {config:?} has a default that does not fit: {reason}")]
    #[diagnostic(
        code(standin::environment::bad_default),
        help("change the default, or the rule that it breaks")
    )]
    BadDefault {
        /// The config.
        config: String,
        /// What is wrong with the default.
        reason: String,
    },
    /// An option has the name of a key with a meaning of its own.
    #[error("config {config:?} has an option {option:?}, which files use for something else")]
    #[diagnostic(
        code(standin::environment::reserved_key),
        help("give the option another key: #[config(key = \"...\")]")
    )]
    Reserved {
        /// The config.
        config: String,
        /// The option.
        option: String,
    },
}

standin_error::reportable!(RegisterError);

impl TypeRegistry {
    /// Creates a registry without types, for environments with these options.
    pub fn new(environment: &ConfigDescription) -> Self {
        Self {
            environment: environment.clone(),
            types: IndexMap::new(),
        }
    }

    /// Makes a driver type known under its type name.
    ///
    /// # Errors
    ///
    /// Returns an error if the config has no type name, no option `name`, or an option `type` or
    /// `after`; when a default breaks the rules of its option; when the type name is taken.
    pub fn register(&mut self, description: &ConfigDescription) -> Result<(), RegisterError> {
        let config = || description.name().to_owned();
        let Some(type_name) = description.type_name() else {
            return Err(RegisterError::NoTypeName { config: config() });
        };
        if description.option("name").is_none() {
            return Err(RegisterError::NoName { config: config() });
        }
        if let Some(option) = [TYPE, AFTER]
            .into_iter()
            .find(|key| description.option(key).is_some())
        {
            return Err(RegisterError::Reserved {
                config: config(),
                option: option.to_owned(),
            });
        }
        if let Err(errors) = description.check_defaults() {
            return Err(RegisterError::BadDefault {
                config: config(),
                reason: errors.to_string(),
            });
        }
        if self.types.contains_key(type_name) {
            return Err(RegisterError::Taken {
                type_name: type_name.to_owned(),
            });
        }
        self.types.insert(type_name.to_owned(), description.clone());
        Ok(())
    }

    /// Registers a type as [`TypeRegistry::register`] does, for a declared config.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`TypeRegistry::register`].
    pub fn register_config<C: Config>(&mut self) -> Result<(), RegisterError> {
        self.register(C::description())
    }

    /// Returns the options of the environment.
    pub fn environment(&self) -> &ConfigDescription {
        &self.environment
    }

    /// Returns the driver type called `type_name`.
    pub fn get(&self, type_name: &str) -> Option<&ConfigDescription> {
        self.types.get(type_name)
    }

    /// Returns the options that all types take over from the same config.
    pub(crate) fn common_options(&self) -> Vec<&OptionDescription> {
        let types: Vec<&ConfigDescription> = self.types.values().collect();
        let Some((first, others)) = types.split_first().filter(|(_, others)| !others.is_empty())
        else {
            return Vec::new();
        };
        let is_in = |other: &&ConfigDescription, option: &OptionDescription| {
            let twin = other.option(option.name());
            twin.is_some_and(|twin| is_same_declaration(option, twin))
        };
        let options = first.options().iter();
        options
            .filter(|option| others.iter().all(|other| is_in(other, option)))
            .collect()
    }

    /// Returns the driver types by name, in the order of registration.
    pub fn types(&self) -> impl Iterator<Item = (&str, &ConfigDescription)> {
        self.types
            .iter()
            .map(|(name, description)| (name.as_str(), description))
    }
}

/// Whether both are one option, of a config that both of their configs include.
pub(super) fn is_same_declaration(left: &OptionDescription, right: &OptionDescription) -> bool {
    left.name() == right.name() && left.declared_in() == right.declared_in()
}
