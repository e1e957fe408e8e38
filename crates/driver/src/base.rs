use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use indexmap::IndexMap;
use standin_config::{
    Config, ContextValue, Kind, Markup, Node, OptionDescription, Options, Reference, ReferenceBy,
    ResolveError, Setting, Value, drivers_read,
};
use standin_entity::{BuildError, Entity, Resource};
use standin_error::read_file;
use standin_record::{self as record, DriverTape, Recorder};
use standin_sync::Unpoisoned;
use tracing::Level;

use crate::context::context_of;
use crate::file_log::FileLog;
use crate::starting::Starting;
use crate::template::{self, Failure, Missing, Scope, TemplateError};
use crate::{Attributes, ContextError, ContextSource, DriverConfig, Explainer, FromContext};

/// The common parts of every driver, to be embedded in a driver's struct: its name and
/// configuration, its status and runpath, and access to the context of other drivers.
pub struct DriverBase {
    resource: Resource,
    pub(crate) starting: Starting,
    pub(crate) file_log: FileLog,
    /// What templates that are not among the options read.
    rendered: Mutex<Vec<(String, Reference)>>,
    /// Where what happens is kept while it is in no environment.
    recorder: OnceLock<Recorder>,
}

impl DriverBase {
    /// Makes the base of a driver of its options. `kind` is the name of the
    /// driver's type as it appears in messages, such as `TcpServer`.
    ///
    /// # Errors
    ///
    /// Returns an error if an option is missing or has an invalid value, or if the name is not
    /// valid for a directory.
    pub fn new(kind: &'static str, options: impl Options) -> Result<Self, BuildError> {
        let entity = Entity::with_options(kind, "driver", options)?;
        entity.options().shared::<DriverConfig>()?;
        Ok(DriverBase {
            resource: Resource::from_entity(entity),
            starting: Starting::default(),
            file_log: FileLog::default(),
            rendered: Mutex::default(),
            recorder: OnceLock::new(),
        })
    }

    /// Returns the name of the driver's type, such as `TcpServer`.
    pub fn kind(&self) -> &str {
        self.entity().kind()
    }

    /// Returns the name of the driver.
    pub fn name(&self) -> &str {
        self.entity().name()
    }

    /// Returns the driver's options, with where each value comes from.
    pub fn options(&self) -> &Node {
        self.entity().options()
    }

    /// Returns the driver as an entity: what it belongs to, its files and its report.
    pub fn entity(&self) -> &Entity {
        self.resource.entity()
    }

    /// Returns the driver's life: its status, and what changes it.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Returns the driver's current configuration, including inherited options: of its own type, or
    /// one that this type includes.
    ///
    /// # Errors
    ///
    /// Returns an error if an option without a default is set nowhere.
    pub fn config<C: Config>(&self) -> Result<C, ResolveError> {
        Ok(C::clone(&*self.options().shared()?))
    }

    /// Returns the values that named groups of the regexps captured in the logs since the latest
    /// start: complete once the driver is started.
    pub fn extracts(&self) -> IndexMap<String, String> {
        self.starting.extracts()
    }

    /// Returns the value of the named group, if it was captured.
    pub fn extract(&self, group: &str) -> Option<String> {
        self.starting.extracts().shift_remove(group)
    }

    /// Writes to the driver's own log: the file that `file_logger` names while
    /// the driver runs, else the log of the test.
    pub fn log(&self, level: Level, message: impl fmt::Display) {
        if self.log_to_file(level, &message) {
            return;
        }
        let driver = self.name();
        match level {
            Level::ERROR => tracing::error!(driver, "{message}"),
            Level::WARN => tracing::warn!(driver, "{message}"),
            Level::INFO => tracing::info!(driver, "{message}"),
            Level::DEBUG => tracing::debug!(driver, "{message}"),
            _ => tracing::trace!(driver, "{message}"),
        }
    }

    /// Writes to the file that `file_logger` names, while the driver runs; returns
    /// whether there is one. For a driver whose events are to have the target of its own
    /// crate: if there is none, it writes to `tracing` itself.
    pub fn log_to_file(&self, level: Level, message: impl fmt::Display) -> bool {
        self.file_log.write(level, &message)
    }

    /// Returns the references to other drivers in the options of this driver, and in the files to
    /// install as far as they can be read now, each with its option. Those drivers have to start
    /// before this one.
    ///
    /// See [`Node::references`]; a file may read what it names in any way.
    pub fn references(&self) -> Vec<(String, Reference)> {
        let mut found: Vec<_> = self
            .options()
            .references()
            .into_iter()
            .map(|(option, reference)| (option.to_owned(), reference))
            .collect();
        found.extend(self.rendered.lock().unpoisoned().iter().cloned());
        if let Some(files) = self.options().get_local("install_files") {
            let mut texts = Vec::new();
            collect_texts(&files, &mut texts);
            // What is there besides paths is not a file, and is passed over.
            let files = texts
                .iter()
                .filter_map(|path| String::from_utf8(read_file(Path::new(path)).ok()?).ok());
            for name in files.flat_map(|text| drivers_read(&text, Markup::File)) {
                let (path, by) = (Vec::new(), ReferenceBy::Word);
                found.push(("install_files".to_owned(), Reference { name, path, by }));
            }
        }
        found
    }

    /// Removes the files of a driver on its own, if they are in a place of our
    /// choice; an environment looks after those of its drivers.
    pub(crate) fn remove_own_runpath(&self) {
        if self.has_default_runpath()
            && let Err(error) = self.entity().remove_runpath()
        {
            tracing::warn!(driver = self.name(), %error, "the files of the driver stay");
        }
    }

    /// Removes what is empty of them.
    pub(crate) fn tidy_own_runpath(&self, content_only: bool) {
        if self.has_default_runpath()
            && let Err(error) = self.entity().tidy_runpath(content_only)
        {
            tracing::warn!(driver = self.name(), %error, "the files of the driver stay");
        }
    }

    fn has_default_runpath(&self) -> bool {
        let entity = self.entity();
        !entity.has_chosen_runpath() && entity.parent().is_none()
    }

    /// Returns the plain value of a setting: the value itself, or what the template of
    /// a context value renders to now.
    ///
    /// # Errors
    ///
    /// Returns an error if the context value names a driver or an attribute that is not there, or
    /// renders to something that is not a `T`.
    pub fn expand<T: FromContext + Clone>(&self, setting: &Setting<T>) -> Result<T, ContextError> {
        match setting {
            Setting::Plain(value) => Ok(value.clone()),
            Setting::Context(value) => {
                let text = self.render(value)?;
                T::from_context(&text).map_err(|reason| ContextError::Invalid {
                    reader: self.name().to_owned(),
                    driver: value.driver.clone(),
                    template: value.template.clone(),
                    text,
                    reason,
                })
            }
        }
    }

    /// Returns the text that a context value renders to now.
    ///
    /// # Errors
    ///
    /// Returns an error if it names a driver or an attribute that is not there, or if its template
    /// fails.
    pub fn render(&self, value: &ContextValue) -> Result<String, ContextError> {
        let reader = || self.name().to_owned();
        let driver = || value.driver.clone();
        let source = self
            .context_source()
            .ok_or_else(|| ContextError::NoEnvironment {
                reader: reader(),
                driver: driver(),
            })?;
        let plain = template::plain_name(&value.template)
            .and_then(|name| source.attribute(&value.driver, name))
            .and_then(|value| template::plain_text(&value));
        if let Some(text) = plain {
            return Ok(text);
        }
        let attributes = source.attributes(&value.driver);
        // A plain value has no attributes, and is there anyway.
        let is_plain = || source.value(&value.driver).map(|_| Attributes::new());
        let Some(attributes) = attributes.or_else(is_plain) else {
            let known = source.names();
            return Err(ContextError::UnknownDriver {
                nearest: nearest(&value.driver, &known),
                reader: reader(),
                driver: driver(),
                known,
            });
        };
        template::render(&value.template, &attributes).map_err(|error| match error {
            TemplateError::Undefined(attribute) => {
                unknown_attribute(reader(), driver(), attribute, &value.template, &attributes)
            }
            TemplateError::NotInContext(Missing { driver, attribute }) => unknown_attribute(
                reader(),
                driver,
                attribute.unwrap_or_default(),
                &value.template,
                &attributes,
            ),
            TemplateError::Failed(reason) => ContextError::Template {
                reader: reader(),
                driver: driver(),
                template: value.template.clone(),
                reason,
            },
        })
    }

    /// Fails the test, for example because of an unexpected message. The environment ends every
    /// wait on its drivers at once, each with an error that contains `reason`, a sentence; a start
    /// in progress fails. Only the first of several reports counts. Must be called with no lock
    /// held.
    ///
    /// To make the driver's own stop fail as well, use [`Driver::verify`](crate::Driver::verify).
    pub fn fail(&self, reason: &str) {
        self.explainer().fail(self.name(), reason);
    }

    /// Returns the object `context` of the driver's templates, for drivers that render templates
    /// with their own engine: its attributes are the other drivers. It may outlive the driver; it
    /// is empty once the environment is gone.
    pub fn template_names(&self) -> minijinja::Value {
        template::names(context_of(self.entity()))
    }

    /// Returns where what happens to the driver is kept: the recorder of the environment that it is
    /// in now, or its own, which has the name of the driver.
    pub fn recorder(&self) -> Recorder {
        let shared = self.context_source().and_then(|source| source.recorder());
        shared.unwrap_or_else(|| {
            let own = self.recorder.get_or_init(|| Recorder::new(self.name()));
            own.clone()
        })
    }

    /// Returns the part of the [recorder](DriverBase::recorder) for this driver, under its name in
    /// the environment. Ask for it at each start, since a driver may move; it may outlive the
    /// driver.
    pub fn tape(&self) -> DriverTape {
        self.recorder().driver(&self.entity().known_as())
    }

    /// Puts on record what the driver is: its kind, and its options with where each comes from.
    pub fn describe(&self, tape: &DriverTape) {
        tape.set_kind(self.kind());
        let options = self.options();
        let described = options.description().options().iter();
        let settings = described.filter_map(|option| {
            let value = options
                .get(option.name())
                .ok()
                .filter(|value| !value.is_null())?;
            Some(record::Setting {
                name: option.name().to_owned(),
                value: value.to_string(),
                origin: options.origin(option.name()).ok()?.to_string(),
            })
        });
        tape.set_settings(settings);
    }

    /// Declares that the driver renders templates that are not among the texts of its options, but
    /// belong to the option of that name. The drivers that they read from start before this driver.
    pub fn renders<'t>(&self, option: &str, templates: impl IntoIterator<Item = &'t str>) {
        let texts = OptionDescription::required(option, Kind::List(Box::new(Kind::Template)));
        let values = templates.into_iter().map(Value::from).collect();
        let references = texts.references(&Value::List(values)).into_iter();
        let references = references.map(|reference| (option.to_owned(), reference));
        self.rendered.lock().unpoisoned().extend(references);
    }

    /// Returns a source of possible causes for failed operations: to be kept with objects that
    /// outlive a call, such as the handle of a connection.
    pub fn explainer(&self) -> Explainer {
        Explainer(context_of(self.entity()))
    }

    fn context_source(&self) -> Option<Arc<dyn ContextSource>> {
        context_of(self.entity())?.upgrade()
    }

    /// The names that a template of this driver can use, given its own published values.
    pub(crate) fn scope(&self, own: Attributes) -> Scope {
        Scope::new(own, self.context_source())
    }

    /// Renders a template over what the driver itself publishes, `own`, and
    /// below `context` over what others do.
    pub(crate) fn render_own(
        &self,
        template: &str,
        own: Attributes,
    ) -> Result<String, ContextError> {
        let scope = self.scope(own);
        template::render_in(template, &scope, Markup::Option)
            .map_err(|failure| self.own_error(template, &scope, failure))
    }

    /// The error for a template over the driver's own attributes.
    pub(crate) fn own_error(
        &self,
        template: &str,
        scope: &Scope,
        Failure { error, .. }: Failure,
    ) -> ContextError {
        let name = self.name().to_owned();
        match error {
            TemplateError::Undefined(path) => {
                // What is missing inside of an attribute only the path says.
                let inside = path.strip_prefix("context.");
                match inside.and_then(|path| path.split_once('.')) {
                    Some((driver, attribute)) if scope.others.is_some() => {
                        let driver = driver.to_owned();
                        let attribute = Some(attribute.to_owned());
                        self.not_in_context(template, scope, Missing { driver, attribute })
                    }
                    _ => unknown_attribute(name.clone(), name, path, template, &scope.own),
                }
            }
            TemplateError::NotInContext(missing) => self.not_in_context(template, scope, missing),
            TemplateError::Failed(reason) => ContextError::Template {
                reader: name.clone(),
                driver: name,
                template: template.to_owned(),
                reason,
            },
        }
    }

    /// The error for a template that asks another driver for what it does not publish.
    fn not_in_context(&self, template: &str, scope: &Scope, missing: Missing) -> ContextError {
        let reader = self.name().to_owned();
        let Missing { driver, attribute } = missing;
        let attributes = scope
            .others
            .as_ref()
            .map(|others| others.attributes(&driver));
        match (attributes.flatten(), attribute) {
            (Some(attributes), Some(attribute)) => {
                unknown_attribute(reader, driver, attribute, template, &attributes)
            }
            _ => {
                let known = scope
                    .others
                    .as_ref()
                    .map_or(Vec::new(), |others| others.names());
                ContextError::UnknownDriver {
                    nearest: nearest(&driver, &known),
                    reader,
                    driver,
                    known,
                }
            }
        }
    }

    /// Returns the values that every driver publishes; [`Lifecycle::context`] adds those of this
    /// one.
    ///
    /// [`Lifecycle::context`]: crate::Lifecycle::context
    pub fn attributes(&self) -> Attributes {
        let entity = self.entity();
        let path = |path: Option<std::path::PathBuf>| path.map(|path| path.display().to_string());
        let extracts = self.extracts();
        let extracts = (!extracts.is_empty()).then(|| extracts.into_iter().collect::<Value>());
        Attributes::new()
            .with("name", self.name())
            .with("uid", entity.uid())
            .with("status", self.resource.status().to_string())
            .with_known("runpath", path(entity.runpath()))
            .with_known("scratch", path(entity.scratch()))
            .with("active", self.resource.is_active())
            .with("aborted", self.resource.is_aborted())
            .with_known("extracts", extracts)
            .with_options(self.options())
    }
}

impl fmt::Debug for DriverBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.kind())
            .field("name", &self.name())
            .field("status", &self.resource.status())
            .finish_non_exhaustive()
    }
}

/// All texts in a value.
fn collect_texts<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::List(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Map(entries) => entries
            .values()
            .for_each(|entry| collect_texts(entry, texts)),
        _ => {}
    }
}

fn unknown_attribute(
    reader: String,
    driver: String,
    attribute: String,
    template: &str,
    attributes: &Attributes,
) -> ContextError {
    let known: Vec<String> = attributes.names().map(str::to_owned).collect();
    ContextError::UnknownAttribute {
        reader,
        driver,
        nearest: nearest(&attribute, &known),
        attribute,
        template: template.to_owned(),
        status: attributes.text("status"),
        known,
    }
}

/// The one of `known` that was probably meant by `name`.
fn nearest(name: &str, known: &[String]) -> Option<String> {
    standin_config::nearest(name, known.iter().map(String::as_str)).map(str::to_owned)
}
