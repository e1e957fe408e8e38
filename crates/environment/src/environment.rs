use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;
use standin_config::{FromOptions, Value};
use standin_driver::{Driver, IntoShared};
use standin_entity::{BuildError, Entity, Failovers, NameError, Result};

use crate::dependencies::Dependencies;
use crate::members::{KIND, Members};
use crate::nesting::EnvironmentParent;
use crate::plan::{Need, Plan, sets_async_start};
use crate::running::RunningEnvironment;
use crate::view::EnvironmentView;
use crate::{
    AddError, DependencyError, DriverGroup, DriverTypes, EnvironmentBuilder, EnvironmentError,
    LoadError, LookupError,
};

/// A driver with its name in an environment.
type Named = (String, Arc<dyn Driver>);

/// The drivers of one test, in the order in which they were added.
///
/// [`start`](Environment::start) turns it into a [`RunningEnvironment`], a
/// guard that stops all of them when it is dropped.
///
/// ```
/// use standin_environment::Environment;
/// use standin_tcp::TcpServer;
///
/// # fn main() -> standin_entity::Result<()> {
/// let mut env = Environment::new("one server");
/// let server = env.add(TcpServer::builder("server").build()?)?;
/// let env = env.start()?;
/// assert!(server.port().is_some());
/// # drop(env);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Environment {
    view: EnvironmentView,
    pub(crate) dependencies: Dependencies,
    pub(crate) failovers: IndexMap<String, Failovers<Arc<dyn Driver>>>,
    /// An invalid name. The first fallible call reports it, so that `new` can stay infallible.
    invalid: Option<NameError>,
}

/// An environment that did not start, and why: see [`Environment::try_start`].
#[non_exhaustive]
pub struct FailedStart {
    /// The environment, with its drivers down: it can be changed and started again.
    pub environment: Environment,
    /// Why it did not start.
    pub error: EnvironmentError,
}

/// Shows the error, as a failing test should.
impl fmt::Debug for FailedStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl Environment {
    /// Creates an environment without drivers, with default options. A name that it cannot have is
    /// an error when a driver is added, and of the start.
    pub fn new(name: impl Into<String>) -> Self {
        const FALLBACK: &str = "environment";
        let name = name.into();
        match Entity::with_kind(KIND, &name) {
            Ok(_) => Self::named(name, None),
            Err(error) => Self::named(FALLBACK.to_owned(), Some(error)),
        }
    }

    fn named(name: String, invalid: Option<NameError>) -> Self {
        let mut environment = Self::from_options(EnvironmentBuilder::new().name(name))
            .expect("the name was checked, and no other option is set");
        environment.invalid = invalid;
        environment
    }

    /// Begins to describe an environment with options; `build` makes it.
    pub fn builder(name: impl Into<String>) -> EnvironmentBuilder {
        EnvironmentBuilder::new().name(name)
    }

    /// Reads an environment file with the driver types of standin. With types
    /// of your own, use [`DriverTypes::load`]. Relative paths in it start from
    /// its folder.
    ///
    /// # Errors
    ///
    /// Returns an error if it cannot be read, and all mistakes in it at once.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        DriverTypes::standard().load(path)
    }

    /// Adds a driver under its own name, and returns a handle of it. Takes a driver, or an [`Arc`]
    /// of one that is shared already.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is taken, the driver is in another environment, or it would
    /// empty the `runpath` of another one. Nothing has changed then.
    pub fn add<S: IntoShared>(&mut self, driver: S) -> Result<Arc<S::Driver>, AddError> {
        let driver = driver.into_shared();
        let name = driver.base().name().to_owned();
        self.insert(name, S::erased(driver.clone()))?;
        Ok(driver)
    }

    /// Adds a driver under another name than its own. Context values and
    /// [`get`](crate::EnvironmentView::get) use this one. One driver can be in an environment under
    /// several names.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`add`](Environment::add).
    pub fn add_as<S: IntoShared>(
        &mut self,
        name: impl Into<String>,
        driver: S,
    ) -> Result<Arc<S::Driver>, AddError> {
        let driver = driver.into_shared();
        self.insert(name.into(), S::erased(driver.clone()))?;
        Ok(driver)
    }

    fn insert(&mut self, name: String, driver: Arc<dyn Driver>) -> Result<(), AddError> {
        self.check_valid()?;
        if self.members.read().contains_key(&name) || self.members.is_initial(&name) {
            return Err(AddError::DuplicateName {
                environment: self.name().to_owned(),
                name,
            });
        }
        self.check_runpath(&name, &*driver)?;
        let entity = driver.base().entity();
        let was_here = entity
            .parent()
            .is_some_and(|parent| parent.is(self.entity()));
        self.members.adopt(&*driver)?;
        if !was_here {
            entity.set_known_as(&name);
        }
        self.members.write().insert(name, driver);
        Ok(())
    }

    /// Two drivers that are up at the same time cannot have one directory if the start of
    /// the second empties it. More than the options is known only at the start.
    fn check_runpath(&self, name: &str, driver: &dyn Driver) -> Result<(), AddError> {
        let Some(runpath) = own_runpath(driver) else {
            return Ok(());
        };
        let options = driver.base().options();
        let cleanup = options.get_local("path_cleanup");
        let cleanup = cleanup.or_else(|| self.options().get("path_cleanup").ok());
        if cleanup.is_some_and(|cleanup| cleanup.as_bool() == Some(false)) {
            return Ok(());
        }
        let is_same = |other: &dyn Driver| own_runpath(other).as_ref() == Some(&runpath);
        let members = self.members.snapshot();
        let mut others = members
            .iter()
            .filter(|(_, other)| !std::ptr::addr_eq(Arc::as_ptr(other), driver));
        match others.find(|(_, other)| is_same(&***other)) {
            Some((other, _)) => Err(AddError::SameRunpath {
                environment: self.name().to_owned(),
                name: name.to_owned(),
                other: other.clone(),
                runpath,
            }),
            None => Ok(()),
        }
    }

    /// Removes a driver, with the dependencies that name it. It no longer inherits from this
    /// environment, and can be added again, here or to another one.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no driver of that name.
    pub fn remove(&mut self, name: &str) -> Result<(), LookupError> {
        let removed = self.members.write().shift_remove(name);
        let Some(removed) = removed else {
            return Err(self.unknown(name));
        };
        let members = self.members.snapshot();
        let mut others = members.iter();
        let entity = removed.base().entity();
        match others.find(|(_, other)| Arc::ptr_eq(other, &removed)) {
            Some((other, _)) => entity.set_known_as(other),
            None => entity.leave(),
        }
        self.dependencies.remove(name);
        self.failovers.shift_remove(name);
        Ok(())
    }

    /// Makes a value available to templates under a name below `context`: a plain one as `{{
    /// context.stage }}`, those of a table, or [`Attributes`](standin_driver::Attributes), as if a
    /// driver of that name published them.
    ///
    /// ```
    /// use standin_driver::{Attributes, Lifecycle};
    /// # use standin_environment::Environment;
    /// # use standin_tcp::TcpServer;
    ///
    /// # fn main() -> standin_entity::Result<()> {
    /// let mut env = Environment::new("values");
    /// env.set_context("stage", "test")?;
    /// env.set_context("broker", Attributes::new().with("port", 5672))?;
    /// let server = env.add(TcpServer::builder("server").build()?)?;
    /// let text = server.render_template("{{ context.stage }} {{ context.broker.port }}")?;
    /// assert_eq!(text, "test 5672");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if a driver has that name.
    pub fn set_context(
        &mut self,
        name: impl Into<String>,
        value: impl Into<Value>,
    ) -> Result<(), AddError> {
        let name = name.into();
        if self.members.read().contains_key(&name) {
            return Err(AddError::DuplicateName {
                environment: self.name().to_owned(),
                name,
            });
        }
        self.members.set_initial(name, value.into());
        Ok(())
    }

    /// Makes `parent` the environment that this one belongs to, whether it is started or not.
    ///
    /// Options that are not set here are inherited from there, the runpath is
    /// below, and context values can name its drivers, which a test that shares
    /// them has started before. The two are started separately; a stop or
    /// an abort of the parent first stops or aborts this one.
    ///
    /// ```
    /// # use standin_config::context;
    /// # use standin_environment::Environment;
    /// # use standin_tcp::{TcpClient, TcpServer};
    /// # fn main() -> standin_entity::Result<()> {
    /// let mut shared = Environment::new("shared");
    /// shared.add(TcpServer::builder("server").build()?)?;
    /// let shared = shared.start()?;
    ///
    /// let mut env = Environment::new("one test");
    /// env.set_parent(&shared)?;
    /// let port = context("server", "{{ port }}");
    /// let client = TcpClient::builder("client").host("localhost").port(port);
    /// let client = env.add(client.build()?)?;
    /// let env = env.start()?;
    /// assert!(client.local_port().is_some());
    /// # drop((env, shared));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if this environment has a parent already, or is one around `parent`.
    pub fn set_parent(&mut self, parent: &impl EnvironmentParent) -> Result<(), AddError> {
        Ok(self.entity().join(&parent.members().entity)?)
    }

    /// Declares that each driver of `first` must be up before any of `then`
    /// starts. A group is one driver (its handle or its name), or a tuple, an
    /// array or a vector of them. From then on drivers start as soon as those
    /// that they depend on are up, several at once.
    ///
    /// ```
    /// # use standin_environment::Environment;
    /// # use standin_tcp::TcpServer;
    /// # fn main() -> standin_entity::Result<()> {
    /// let mut env = Environment::new("three servers");
    /// let a = env.add(TcpServer::builder("a").build()?)?;
    /// let b = env.add(TcpServer::builder("b").build()?)?;
    /// let c = env.add(TcpServer::builder("c").build()?)?;
    /// env.add_dependency((&a, &b), &c)?;
    /// assert!(env.add_dependency("c", "a").is_err()); // a -> c -> a
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if a driver is not in this environment or sets `async_start`, or if drivers
    /// would wait for each other. Nothing is declared then.
    pub fn add_dependency(
        &mut self,
        first: impl DriverGroup,
        then: impl DriverGroup,
    ) -> Result<(), DependencyError> {
        let (first, then) = (self.resolve(&first)?, self.resolve(&then)?);
        for (name, driver) in first.iter().chain(&then) {
            if sets_async_start(&**driver) {
                return Err(DependencyError::AsyncStart {
                    environment: self.name().to_owned(),
                    driver: name.clone(),
                });
            }
        }
        let declared = self.dependencies.len();
        for (first, _) in &first {
            for (then, _) in &then {
                if let Err(drivers) = self.dependencies.declare(first, then) {
                    self.dependencies.truncate(declared);
                    return Err(DependencyError::Cycle { drivers });
                }
            }
        }
        Ok(())
    }

    /// Returns the dependencies between the drivers: by context values and by declaration.
    ///
    /// ```
    /// # use standin_environment::Environment;
    /// # use standin_tcp::{TcpClient, TcpServer};
    /// # fn main() -> standin_entity::Result<()> {
    /// let mut env = Environment::new("greeting");
    /// env.add(TcpServer::builder("server").build()?)?;
    /// env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    /// let needs = env.needs();
    /// assert!(needs.iter().all(|need| need.driver == "client" && need.needs == "server"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn needs(&self) -> Vec<Need> {
        Plan::all_needs(self)
    }

    /// Registers a replacement for a driver: if the driver does not start, the
    /// replacements of its name are made and tried in the order of their
    /// registration, and the environment continues with the first that starts.
    /// Then [`get`](crate::EnvironmentView::get) and the context values of other drivers
    /// find the replacement under the name.
    ///
    /// # Errors
    ///
    /// Returns an error if no driver has that name.
    pub fn register_failover<D: Driver>(
        &mut self,
        name: &str,
        make: impl Fn() -> Result<D> + Send + Sync + 'static,
    ) -> Result<(), LookupError> {
        if !self.members.read().contains_key(name) {
            return Err(self.unknown(name));
        }
        let failovers = self.failovers.entry(name.to_owned()).or_default();
        failovers.register(move || Ok(Arc::new(make()?) as Arc<dyn Driver>));
        Ok(())
    }

    fn unknown(&self, name: &str) -> LookupError {
        LookupError::UnknownDriver {
            environment: self.name().to_owned(),
            name: name.to_owned(),
            known: self.names(),
        }
    }

    /// The drivers of a group, with the names under which they are known here.
    fn resolve(&self, group: &impl DriverGroup) -> Result<Vec<Named>, DependencyError> {
        let mut wanted = Vec::new();
        group.members(&mut wanted);
        wanted
            .into_iter()
            .map(|wanted| {
                wanted
                    .find(&self.members)
                    .ok_or_else(|| DependencyError::UnknownDriver {
                        environment: self.name().to_owned(),
                        name: wanted.name().to_owned(),
                        known: self.names(),
                    })
            })
            .collect()
    }

    /// Starts the drivers, and returns a guard that stops them when it is dropped.
    ///
    /// In declared order, each driver is up before the next one starts, except those with
    /// `async_start`, which are awaited at the end. With dependencies, or with the option
    /// `concurrent`, each starts when those that it depends on are up; reading the context of a
    /// driver is a dependency on it. Drivers with `auto_start` off are not started.
    ///
    /// A template reads a driver as `{{ context.server.port }}` or, for any name, `{{ context["my
    /// server"].port }}`. A template that uses `context` in another way, such as `{% set c =
    /// context %}` or in a loop, depends on every driver that it names anywhere. A name that a
    /// template computes cannot be detected: declare a [`dependency`](Environment::add_dependency)
    /// for it.
    ///
    /// # Errors
    ///
    /// Returns an error if the order is impossible, which is determined before anything starts; if
    /// drivers fail to start; or if everything together takes longer than the option `start_limit`.
    /// Drivers that are up are then stopped again, in reverse order, and the error has every
    /// failure. [`try_start`](Environment::try_start) also returns the environment.
    pub fn start(self) -> Result<RunningEnvironment, EnvironmentError> {
        self.try_start().map_err(|failed| failed.error)
    }

    /// Starts the drivers like [`start`](Environment::start), but returns the environment if it
    /// does not start: to inspect it, to fix it, and to start it again.
    ///
    /// ```
    /// # use standin_config::context;
    /// # use standin_environment::{Environment, FailedStart};
    /// # use standin_tcp::{TcpClient, TcpServer};
    /// # fn main() -> standin_entity::Result<()> {
    /// let mut env = Environment::new("mended");
    /// env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    /// let FailedStart { mut environment, error, .. } = env.try_start().unwrap_err();
    /// assert!(error.to_string().contains("\"server\""));
    /// environment.options().set_local("concurrent", true)?;
    /// environment.add(TcpServer::builder("server").build()?)?;
    /// let env = environment.start()?;
    /// # drop(env);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`start`](Environment::start), with the environment.
    pub fn try_start(self) -> Result<RunningEnvironment, FailedStart> {
        let valid = self.check_valid().map_err(EnvironmentError::from);
        match valid.and_then(|()| RunningEnvironment::launch(&self)) {
            Ok(running) => Ok(running),
            Err(error) => Err(FailedStart {
                environment: self,
                error,
            }),
        }
    }

    fn check_valid(&self) -> Result<(), NameError> {
        self.invalid.clone().map_or(Ok(()), Err)
    }
}

/// The directory that a driver which its environment starts has by its own options.
fn own_runpath(driver: &dyn Driver) -> Option<PathBuf> {
    let options = driver.base().options();
    let auto_start = options.get_local("auto_start");
    if auto_start.is_some_and(|auto_start| auto_start.as_bool() == Some(false)) {
        return None;
    }
    let runpath = options.get_local("runpath")?;
    let runpath = runpath.as_str().filter(|runpath| !runpath.is_empty())?;
    std::path::absolute(runpath).ok()
}

/// An environment dereferences to its view.
impl Deref for Environment {
    type Target = EnvironmentView;

    fn deref(&self) -> &EnvironmentView {
        &self.view
    }
}

impl FromOptions<EnvironmentBuilder> for Environment {
    type Error = BuildError;

    fn from_options(options: EnvironmentBuilder) -> Result<Self, BuildError> {
        let entity = Entity::with_options(KIND, KIND, options)?;
        Ok(Environment {
            view: EnvironmentView::new(Members::new(entity)),
            dependencies: Dependencies::default(),
            failovers: IndexMap::new(),
            invalid: None,
        })
    }
}
