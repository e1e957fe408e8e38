use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use indexmap::IndexMap;
use standin_config::{Config, ConfigErrors, FromOptions, Layer, TypedOptions};
use standin_driver::Driver;
use standin_entity::Error;
use standin_process::{Process, ProcessConfig};
#[cfg(feature = "proxy")]
use standin_proxy::{TcpProxy, TcpProxyConfig};
use standin_tcp::{TcpClient, TcpClientConfig, TcpServer, TcpServerConfig};
#[cfg(feature = "tls")]
use standin_tcp::{TlsCertificate, TlsCertificateConfig};

use crate::file::{Document, Draft, Entry, RegisterError, TypeRegistry};
use crate::plan::Plan;
use crate::{DependencyError, Environment, EnvironmentBuilder, EnvironmentConfig, LoadError};

/// The types of drivers that environment files may name, and how to make
/// drivers of them.
///
/// [`DriverTypes::standard`] has the types of standin. Register those of your
/// own, and files may name them, too: with the same checks, and in the JSON
/// Schema.
///
/// ```
/// use standin_environment::DriverTypes;
///
/// # fn main() -> standin_entity::Result<()> {
/// let types = DriverTypes::standard();
/// let env = types.parse("environment.toml", r#"
///     name = "greeting"
///     timeout = "10s"
///
///     [[driver]]
///     type = "tcp-server"
///     name = "server"
///
///     [[driver]]
///     type = "tcp-client"
///     name = "client"
///     host = { driver = "server", value = "{{ host }}" }
///     port = { driver = "server", value = "{{ port }}" }
/// "#)?;
/// let server = env.get::<standin_tcp::TcpServer>("server")?;
/// let env = env.start()?;
/// assert!(server.port().is_some());
/// # drop(env);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DriverTypes {
    registry: TypeRegistry,
    makers: IndexMap<String, Maker>,
}

/// Makes a driver of its options and adds it to an environment.
type Maker = Arc<dyn Fn(&mut Environment, Layer) -> Result<(), Error> + Send + Sync>;

impl DriverTypes {
    /// Creates a registry without types.
    pub fn none() -> Self {
        DriverTypes {
            registry: TypeRegistry::new(EnvironmentConfig::description()),
            makers: IndexMap::new(),
        }
    }

    /// Returns the types of standin: `tcp-server`, `tcp-client`, `process`, with the feature
    /// `proxy` `tcp-proxy`, and with the feature `tls` `tls-certificate`.
    pub fn standard() -> Self {
        let mut types = DriverTypes::none();
        types
            .register::<TcpServer, TcpServerConfig>()
            .and_then(|()| types.register::<TcpClient, TcpClientConfig>())
            .and_then(|()| types.register::<Process, ProcessConfig>())
            .expect("each of them has a type name of its own and the options of a driver");
        #[cfg(feature = "proxy")]
        types
            .register::<TcpProxy, TcpProxyConfig>()
            .expect("so has this one");
        #[cfg(feature = "tls")]
        types
            .register::<TlsCertificate, TlsCertificateConfig>()
            .expect("so has this one");
        types
    }

    /// Registers the driver type `D` under the type name of its config `C`, from
    /// `#[config(type_name = "...")]`.
    ///
    /// # Errors
    ///
    /// Returns an error if the config has no type name or no option `name`, or the type name is
    /// taken.
    pub fn register<D, C>(&mut self) -> Result<(), RegisterError>
    where
        C: Config,
        C::Options: TypedOptions<Config = C>,
        D: Driver + FromOptions<C::Options>,
        D::Error: Into<Error>,
    {
        self.registry.register_config::<C>()?;
        let type_name = C::description().type_name().unwrap_or_default().to_owned();
        let maker: Maker = Arc::new(|environment, layer| {
            let options = C::Options::from_layer(layer)
                .map_err(|_| Error::msg("the options are those of another type"))?;
            let driver = D::from_options(options).map_err(Into::into)?;
            environment.add(driver)?;
            Ok(())
        });
        self.makers.insert(type_name, maker);
        Ok(())
    }

    /// Returns the options of environments and of all types, for schemas and
    /// reference pages.
    pub fn registry(&self) -> &TypeRegistry {
        &self.registry
    }

    /// Returns the JSON Schema of files that may name these types, for editors: write it beside the
    /// files, and name it in their first line. Needs the feature `schema`.
    ///
    /// ```
    /// use standin_environment::DriverTypes;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let types = DriverTypes::standard(); // and types of your own
    /// std::fs::write(folder.join("environment.schema.json"), types.schema())?;
    /// std::fs::write(
    ///     folder.join("environment.toml"),
    ///     "#:schema ./environment.schema.json\nname = \"greeting\"\n",
    /// )?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "schema")]
    pub fn schema(&self) -> String {
        crate::file::schema::text_of_file(&self.registry)
    }

    /// Reads an environment file. Relative paths in it start from its folder.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be read, and all mistakes in it at once.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Environment, LoadError> {
        self.build_draft(self.registry.read_draft(path)?)
    }

    /// Reads an environment from the text of a file; messages call it `name`.
    ///
    /// # Errors
    ///
    /// Returns all mistakes in it at once.
    pub fn parse(&self, name: &str, text: &str) -> Result<Environment, LoadError> {
        self.build_draft(self.registry.draft(name, text))
    }

    /// Makes the environment that a file describes. What its drivers, and the environment itself,
    /// refuse are mistakes of the file like any other, with their lines.
    fn build_draft(&self, mut draft: Draft) -> Result<Environment, LoadError> {
        let options = EnvironmentBuilder::from_layer(draft.environment().clone())
            .map_err(|_| LoadError::OtherOptions)?;
        let mut environment = match Environment::from_options(options) {
            Ok(environment) => environment,
            Err(error) => {
                // Missing options are on the list of mistakes already.
                if draft.is_sound() {
                    draft.refuse_environment(&error);
                }
                Environment::new("environment")
            }
        };
        for (name, value) in draft.context() {
            // There are no drivers yet that could have the name.
            environment.members.set_initial(name.clone(), value.clone());
        }
        let entries: Vec<Entry> = draft.entries().to_vec();
        for entry in entries {
            let added = self.add_entry(&mut environment, entry.clone());
            // What is wrong in its table is known; what is right counts for others.
            if let Err(error) = added
                && entry.is_sound
            {
                match error.find::<ConfigErrors>() {
                    Some(errors) => draft.refuse_options(&entry, errors),
                    None => draft.refuse_driver(&entry, error.diagnostic()),
                }
            }
        }
        let dependencies: Vec<(String, String)> = draft
            .dependencies()
            .map(|(first, then)| (first.to_owned(), then.to_owned()))
            .collect();
        let names: HashSet<String> = environment.names().into_iter().collect();
        for (first, then) in dependencies {
            // Where one of both is not right the other has nothing to wait for.
            if names.contains(&first)
                && names.contains(&then)
                && let Err(error) = environment.add_dependency(first.as_str(), then.as_str())
            {
                draft.refuse_dependency(&then, "after", &first, &error);
            }
        }
        if let Some(config) = order_of(&draft, &environment) {
            let is_sound = draft.is_sound();
            if !config.concurrent {
                draft.refuse_later();
            }
            for mistake in Plan::mistakes(&environment, &config) {
                // Where something else is wrong, a driver may only be unknown because of that; and
                // who waits for whom was found in the text.
                let is_of_the_order = matches!(
                    mistake.error,
                    DependencyError::StartsLater { .. } | DependencyError::AsyncStart { .. }
                );
                if is_sound || is_of_the_order {
                    let (driver, option) = (&mistake.driver, &mistake.option);
                    let needs = mistake.needs.as_deref().unwrap_or_default();
                    draft.refuse_dependency(driver, option, needs, &mistake.error);
                }
            }
        }
        draft.finish()?;
        Ok(environment)
    }

    /// Makes the environment that a checked document describes.
    ///
    /// # Errors
    ///
    /// Returns an error if a driver refuses its options, or the document names a type that is not
    /// registered here.
    pub fn build(&self, document: Document) -> Result<Environment, LoadError> {
        let context = document.context().clone();
        let (options, entries) = document.into_parts();
        let options =
            EnvironmentBuilder::from_layer(options).map_err(|_| LoadError::OtherOptions)?;
        let mut environment = Environment::from_options(options)?;
        for (name, value) in context {
            environment.members.set_initial(name, value);
        }
        let mut dependencies = Vec::new();
        for entry in entries {
            let name = entry.name().to_owned();
            let then = |first: &String| (first.clone(), name.clone());
            dependencies.extend(entry.after().iter().map(then));
            if !self.makers.contains_key(entry.type_name()) {
                return Err(LoadError::UnknownType {
                    driver: name,
                    type_name: entry.type_name().to_owned(),
                    known: self.makers.keys().cloned().collect(),
                });
            }
            let added = self.add_entry(&mut environment, entry);
            added.map_err(|error| LoadError::Driver {
                driver: name,
                cause: error,
            })?;
        }
        for (first, then) in dependencies {
            environment.add_dependency(first, then)?;
        }
        Ok(environment)
    }

    fn add_entry(&self, environment: &mut Environment, entry: Entry) -> Result<(), Error> {
        match self.makers.get(entry.type_name()) {
            Some(maker) => maker(environment, entry.into_layer()),
            None => Err(Error::msg("the type is not registered")),
        }
    }
}

/// The options that say in which order the drivers of a file start; `None` if it does not say.
fn order_of(draft: &Draft, environment: &Environment) -> Option<EnvironmentConfig> {
    if draft.is_unread("concurrent") {
        return None;
    }
    let mut config: EnvironmentConfig = environment.options().resolve().ok()?;
    config.concurrent |= draft.has_dependencies();
    Some(config)
}

impl fmt::Debug for DriverTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DriverTypes")
            .field(&self.makers.keys().collect::<Vec<_>>())
            .finish()
    }
}
