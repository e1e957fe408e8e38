//! The read-only view of an environment.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use standin_config::Node;
use standin_connection::ConnectionGraph;
use standin_driver::{Attributes, Driver, Lifecycle, render_text};
use standin_entity::{Entity, Report, Status};
use standin_record::Transcript;

use crate::abort::AbortHandle;
use crate::artifacts::Artifacts;
use crate::config::EnvironmentConfig;
use crate::error::{ExportError, LookupError};
use crate::evidence;
use crate::members::Members;

/// A read-only view of an environment, at any time and from any thread: before it starts, while it
/// starts, while it is up and afterwards. Both [`Environment`](crate::Environment) and
/// [`RunningEnvironment`](crate::RunningEnvironment) dereference to one, and
/// [`view`](EnvironmentView::view) returns one to keep.
///
/// ```
/// use standin_entity::Status;
/// use standin_environment::Environment;
/// use standin_tcp::TcpServer;
///
/// # fn main() -> standin_entity::Result<()> {
/// let mut env = Environment::new("one server");
/// env.add(TcpServer::builder("server").build()?)?;
/// let view = env.view();
/// let starting = std::thread::spawn(move || env.start());
/// while view.statuses() != [("server".to_owned(), Status::Started)] {
///     std::thread::yield_now();
/// }
/// let env = starting.join().expect("it does not panic")?;
/// env.stop()?;
/// let report = view.report();
/// let order = report.history().map(|(who, event)| format!("{} {event}", who.name));
/// let order: Vec<String> = order.collect();
/// assert_eq!(order.first().map(String::as_str), Some("server STARTING"));
/// assert_eq!(order.last().map(String::as_str), Some("server STOPPED"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EnvironmentView {
    pub(crate) members: Arc<Members>,
}

impl EnvironmentView {
    pub(crate) fn new(members: Arc<Members>) -> Self {
        EnvironmentView { members }
    }

    /// Returns another view of the same environment, which does not keep it up.
    pub fn view(&self) -> EnvironmentView {
        self.clone()
    }

    /// Returns the name of the environment.
    pub fn name(&self) -> &str {
        self.members.name()
    }

    /// Returns the environment as an entity: what it belongs to, its files and its report.
    pub fn entity(&self) -> &Entity {
        &self.members.entity
    }

    /// Returns the options of the environment, with where each value comes from.
    pub fn options(&self) -> &Node {
        self.entity().options()
    }

    /// Returns the driver of that name.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none, or it is of another type.
    pub fn get<D: Driver>(&self, name: &str) -> Result<Arc<D>, LookupError> {
        self.members.get(name)
    }

    /// Returns the driver of that name, of any type.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none.
    pub fn driver(&self, name: &str) -> Result<Arc<dyn Driver>, LookupError> {
        self.members.driver(name)
    }

    /// Returns the driver that was added first.
    pub fn first(&self) -> Option<Arc<dyn Driver>> {
        self.members.read().values().next().cloned()
    }

    /// Returns all drivers, in the order in which they were added.
    pub fn drivers(&self) -> Vec<Arc<dyn Driver>> {
        self.members.drivers()
    }

    /// Returns the names of all drivers, in the order in which they were added.
    pub fn names(&self) -> Vec<String> {
        self.members.read().keys().cloned().collect()
    }

    /// Returns the names of all drivers with their status, in the order in which they
    /// were added.
    pub fn statuses(&self) -> Vec<(String, Status)> {
        let members = self.members.snapshot().into_iter();
        members
            .map(|(name, driver)| (name, driver.status()))
            .collect()
    }

    /// Returns how many drivers there are.
    pub fn len(&self) -> usize {
        self.members.read().len()
    }

    /// Returns whether there are no drivers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the report so far: of the environment and of each driver. Its
    /// [`history`](Report::history) has the order of events.
    pub fn report(&self) -> Report {
        self.entity().report()
    }

    /// Returns the recording so far: the steps and waits of each driver, and the traffic of each
    /// connection. It can be shown, searched, and asserted on.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use standin_environment::Environment;
    /// # use standin_tcp::{TcpClient, TcpServer};
    /// # fn main() -> standin_entity::Result<()> {
    /// # let mut env = Environment::new("transcript");
    /// # let server = env.add(TcpServer::builder("server").build()?)?;
    /// # let client = env.add(TcpClient::builder("client").connect_to("server").build()?)?;
    /// let env = env.start()?;
    /// server.accept_connection(Duration::from_secs(10))?;
    /// server.send_text("220 ready\n")?;
    /// client.receive_exactly(10)?;
    /// client.send_text("QUIT\n")?;
    /// let transcript = env.transcript();
    /// let quit = transcript.said("client", b"QUIT")?;
    /// transcript.said("server", b"220")?.before(&quit)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn transcript(&self) -> Transcript {
        evidence::transcript(&self.members)
    }

    /// Writes everything that was recorded up to now to files in `folder`, in each [`Format`], and
    /// returns their paths. The folder is made if need be; files of these names are replaced.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them cannot be written.
    ///
    /// [`Format`]: crate::Format
    pub fn write_files(&self, folder: impl AsRef<Path>) -> io::Result<Vec<PathBuf>> {
        let mut transcript = self.transcript();
        evidence::add_logs(&self.members, &mut transcript);
        Artifacts::on_request(&transcript, folder.as_ref())
    }

    /// Returns the published values of the drivers as environment variables:
    /// `DRIVER_<NAME>_ATTR_<ATTRIBUTE>`, in capitals, with `_` for each `-` and each space.
    pub fn variables(&self) -> Vec<(String, String)> {
        let words = |text: &str| text.to_uppercase().replace(['-', ' '], "_");
        let members = self.members.snapshot();
        let mut variables = Vec::new();
        for (name, driver) in members {
            let context = driver.context();
            for attribute in context.names() {
                let value = context.text(attribute).unwrap_or_default();
                variables.push((
                    format!("DRIVER_{}_ATTR_{}", words(&name), words(attribute)),
                    value,
                ));
            }
        }
        variables
    }

    /// Returns the variables of the option `export`, with their templates filled in from what the
    /// drivers publish now.
    ///
    /// ```
    /// use standin_environment::Environment;
    /// use standin_tcp::TcpServer;
    ///
    /// # fn main() -> standin_entity::Result<()> {
    /// let options = Environment::builder("shop");
    /// let mut env = options.export_var("PORT", "{{ context.bank.port }}").build()?;
    /// let bank = env.add(TcpServer::builder("bank").build()?)?;
    /// let env = env.start()?;
    /// let port = bank.port().map(|port| port.to_string());
    /// assert_eq!(env.exports()?, [("PORT".to_owned(), port.unwrap_or_default())]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the options cannot be read, or a template names what is not there.
    pub fn exports(&self) -> standin_entity::Result<Vec<(String, String)>> {
        let config = self.options().shared::<EnvironmentConfig>()?;
        let runpath = self.runpath().map(|path| path.display().to_string());
        let own = Attributes::new()
            .with("name", self.name())
            .with_known("runpath", runpath);
        let export = |(name, text)| {
            let filled = render_text(text, own.clone(), self.members.clone());
            let filled = filled.map_err(|reason| ExportError {
                environment: self.name().to_owned(),
                name: String::clone(name),
                reason,
            });
            Ok((name.clone(), filled?))
        };
        config.export.iter().map(export).collect()
    }

    /// Returns the current connections between drivers, as the drivers report them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use standin_config::context;
    /// # use standin_environment::Environment;
    /// # use standin_tcp::{TcpClient, TcpServer};
    /// # fn main() -> standin_entity::Result<()> {
    /// # let mut env = Environment::new("connections");
    /// # let server = env.add(TcpServer::builder("server").build()?)?;
    /// # let port = context("server", "{{ port }}");
    /// # env.add(TcpClient::builder("client").host("localhost").port(port).build()?)?;
    /// let env = env.start()?;
    /// server.accept_connection(Duration::from_secs(10))?;
    /// env.connections().connected("client", "server")?.and_nobody_else()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connections(&self) -> ConnectionGraph {
        let members = self.members.snapshot();
        let mut graph = ConnectionGraph::new(members.keys().cloned());
        for (name, driver) in members {
            graph.extend(
                driver
                    .connections()
                    .into_iter()
                    .map(|info| (name.clone(), info)),
            );
        }
        graph
    }

    /// Returns the directory that has the files of the drivers; `None` before the first start.
    pub fn runpath(&self) -> Option<PathBuf> {
        self.entity().runpath()
    }

    /// Returns a handle that ends a start, or everything, from another thread.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.members.clone())
    }
}

impl fmt::Debug for EnvironmentView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvironmentView")
            .field("name", &self.name())
            .field("drivers", &self.members)
            .finish()
    }
}
