//! [`Node`]: one config in the tree of configs.

use std::any::{Any, TypeId};
use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use standin_sync::Unpoisoned;

use crate::option::{OptionDescription, Source};
use crate::references::Reference;
use crate::stored::Stored;
use crate::{
    Config, ConfigDescription, ConfigErrors, Explanation, Layer, OptionError, Options, Origin,
    ParentError, ResolveError, Resolver, Value,
};

/// One config in the tree: whose it is, what is set, and the parent that it inherits from.
///
/// Cloning shares the node. All methods may be called from any thread; a value that a parent gets
/// later is seen by its children at once.
///
/// ```
/// use standin_config::{ConfigDescription, Kind, Layer, Node, OptionDescription, Origin, Value};
///
/// let description = ConfigDescription::builder("peer")
///     .option(OptionDescription::inherited_or("timeout", Kind::Duration, "5m"))
///     .build();
/// let environment = Node::new("environment", Layer::new(&description))?;
/// let peer = Node::new("peer", Layer::new(&description))?;
/// peer.set_parent(&environment)?;
/// assert_eq!(peer.get("timeout")?, Value::from("5m"));
///
/// environment.set_local("timeout", "10s")?;
/// assert_eq!(peer.get("timeout")?, Value::from("10s"));
/// assert_eq!(peer.origin("timeout")?.to_string(), "inherited from environment (set explicitly)");
/// # Ok::<(), miette::Report>(())
/// ```
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    owner: String,
    description: ConfigDescription,
    layer: RwLock<Layer>,
    parent: OnceLock<Parent>,
    /// What was resolved last, for each type of config.
    kept: Mutex<Vec<Kept>>,
}

/// Where a node inherits from.
enum Parent {
    /// From this node, for life.
    Node(Node),
    /// From whatever the owner belongs to when it is asked.
    Lineage(Weak<dyn Lineage>),
}

/// An owner of a node that has its own place in a tree, and so determines which node its own
/// inherits from: see [`Node::set_lineage`].
pub trait Lineage: Send + Sync {
    /// The node of what the owner belongs to now.
    fn parent(&self) -> Option<Node>;
}

/// A config that was resolved before, with the [`CHANGES`] that it has seen.
struct Kept {
    changes: u64,
    of: TypeId,
    config: Arc<dyn Any + Send + Sync>,
}

/// Counts the changes of all nodes. A value may come from any of them.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Held while a parent is set, so that two threads cannot close a cycle together.
static SETTING_PARENT: Mutex<()> = Mutex::new(());

impl Node {
    /// Creates the config of the entity `owner` with these options.
    ///
    /// # Errors
    ///
    /// Returns all mistakes at once: options that must be set and are not, values that do not fit
    /// or break a constraint, and defaults that break their own. Inherited options are checked when
    /// they are resolved.
    pub fn new(owner: impl Into<String>, options: impl Options) -> Result<Self, ConfigErrors> {
        let (owner, layer) = (owner.into(), options.into_layer());
        let description = layer.description();
        description.check_defaults()?;
        let (mut errors, mut wrong) = (Vec::new(), HashSet::new());
        for (index, option) in description.options().iter().enumerate() {
            match layer.find(index) {
                // Values from defaults are checked too: they may come from a file of another hand.
                Some((stored, _)) => {
                    let mistakes = option.check(&owner, stored);
                    wrong.extend((!mistakes.is_empty()).then_some(index));
                    errors.extend(mistakes);
                }
                None if option.is_required() => errors.push(option.missing(&owner)),
                None => {}
            }
        }
        errors.extend(description.misfits(&owner, &layer, &wrong));
        ConfigErrors::from_errors(&owner, errors)?;
        Ok(Self::unchecked(owner, layer))
    }

    /// A node whose options nobody has looked at.
    pub(crate) fn unchecked(owner: String, layer: Layer) -> Self {
        Self(Arc::new(Inner {
            owner,
            description: layer.description().clone(),
            layer: RwLock::new(layer),
            parent: OnceLock::new(),
            kept: Mutex::default(),
        }))
    }

    /// Returns the name of the entity whose config this is.
    pub fn owner(&self) -> &str {
        &self.0.owner
    }

    /// Returns the options that there are.
    pub fn description(&self) -> &ConfigDescription {
        &self.0.description
    }

    /// Returns the config that this one inherits from.
    pub fn parent(&self) -> Option<Node> {
        match self.0.parent.get()? {
            Parent::Node(parent) => Some(parent.clone()),
            Parent::Lineage(owner) => owner.upgrade()?.parent(),
        }
    }

    /// Returns whether both are the same node of the tree.
    pub fn is_same(&self, other: &Node) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Makes `parent` the config that this one inherits from.
    ///
    /// # Errors
    ///
    /// Returns an error if there is a parent already, even the same one; if `parent` inherits from
    /// this config; or if the owner determines the parent.
    pub fn set_parent(&self, parent: &Node) -> Result<(), ParentError> {
        let _guard = SETTING_PARENT.lock().unpoisoned();
        let is_self = |node: &Node| node.is_same(self);
        if is_self(parent) || parent.ancestors().any(|node| is_self(&node)) {
            return Err(ParentError::Cycle {
                owner: self.owner().to_owned(),
                parent: parent.owner().to_owned(),
            });
        }
        self.put_parent(Parent::Node(parent.clone()))
    }

    /// Lets the owner determine which config this one inherits from: it is asked each time. The
    /// owner calls [`Node::moved`] when the result changes.
    ///
    /// # Errors
    ///
    /// Returns an error if there is a parent already.
    pub fn set_lineage(&self, owner: Weak<dyn Lineage>) -> Result<(), ParentError> {
        self.put_parent(Parent::Lineage(owner))
    }

    /// Notifies the node that it inherits from another one than before.
    pub fn moved(&self) {
        CHANGES.fetch_add(1, Ordering::AcqRel);
    }

    fn put_parent(&self, parent: Parent) -> Result<(), ParentError> {
        let set = self.0.parent.set(parent);
        self.moved();
        set.map_err(|_| ParentError::AlreadySet {
            owner: self.owner().to_owned(),
            parent: self.parent().map(|parent| parent.owner().to_owned()),
        })
    }

    /// Returns the typed config: `C` is the config whose options this node has, or one that it
    /// includes.
    ///
    /// # Errors
    ///
    /// Returns all options that have no value or one that does not fit.
    pub fn resolve<C: Config>(&self) -> Result<C, ResolveError> {
        self.resolve_since(CHANGES.load(Ordering::Acquire))
    }

    fn resolve_since<C: Config>(&self, changes: u64) -> Result<C, ResolveError> {
        let layer = self.layer();
        let mut errors = Vec::new();
        let config = C::resolve_from(&mut Resolver::new::<C>(self, &layer, changes, &mut errors));
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(self.unresolved(C::description(), errors)),
        }
    }

    /// What `take` makes of the options of the config `C`; `None` if one has no value.
    pub(crate) fn take<C: Config, T>(
        &self,
        take: impl FnOnce(&mut Resolver<'_>) -> Option<T>,
    ) -> Option<T> {
        let changes = CHANGES.load(Ordering::Acquire);
        take(&mut Resolver::new::<C>(
            self,
            &self.layer(),
            changes,
            &mut Vec::new(),
        ))
    }

    fn unresolved(&self, config: &ConfigDescription, mut errors: Vec<OptionError>) -> ResolveError {
        errors.dedup();
        match ConfigErrors::from_errors(self.owner(), errors) {
            Err(errors) => errors,
            // A hand-written `resolve_from` may give up without a word.
            Ok(()) => self.no_value(config.name()).into(),
        }
    }

    /// As [`Node::resolve`], for frequent callers: while no option of any config changes, each
    /// option is resolved only once, for `C` and for the configs that it includes or that include
    /// it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Node::resolve`].
    pub fn shared<C: Config>(&self) -> Result<Arc<C>, ResolveError> {
        // Asked before resolving, so that a change meanwhile is not taken for seen.
        let changes = CHANGES.load(Ordering::Acquire);
        if let Some(config) = self.kept(changes) {
            return Ok(config);
        }
        let config = Arc::new(self.resolve_since::<C>(changes)?);
        self.keep(changes, config.clone());
        Ok(config)
    }

    /// Keeps what was resolved when there had been so many changes.
    pub(crate) fn keep<C: Config>(&self, changes: u64, config: Arc<C>) {
        let mut kept = self.kept_configs();
        kept.retain(|kept| kept.changes == changes);
        kept.push(Kept {
            changes,
            of: TypeId::of::<C>(),
            config,
        });
    }

    /// What was kept when there had been so many changes.
    pub(crate) fn kept<C: Config>(&self, changes: u64) -> Option<Arc<C>> {
        let kept = self.kept_configs();
        let is_meant = |kept: &&Kept| kept.changes == changes && kept.of == TypeId::of::<C>();
        let found = kept.iter().find(is_meant)?;
        Arc::clone(&found.config).downcast().ok()
    }

    fn kept_configs(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.0.kept.lock().unpoisoned()
    }

    /// Returns the option's value by name, from wherever it comes. Names that this config lacks are
    /// asked of its parents.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no value, or it has no written form.
    pub fn get(&self, name: &str) -> Result<Value, OptionError> {
        let found = self.find(name)?;
        let value = found.stored.value().ok_or_else(|| OptionError::CodeOnly {
            owner: self.owner().to_owned(),
            option: name.to_owned(),
        })?;
        match (&found.from, self.description().option(name)) {
            // A parent may declare the name with another type, or write its values another way.
            (Some(_), Some(option)) if !option.is_code_only() => {
                let read = option.read(self.owner(), &value)?;
                Ok(read.value().unwrap_or(value))
            }
            _ => Ok(value),
        }
    }

    /// Returns the option's value on this node, parents not asked: explicit, from defaults, or the
    /// declared default.
    pub fn get_local(&self, name: &str) -> Option<Value> {
        self.find_local(name)?.stored.value()
    }

    /// Returns the options that were set on this node, explicitly or in the defaults of a file,
    /// with their written values. Declared defaults are not among them.
    pub fn set_values(&self) -> Vec<(&str, Value)> {
        let layer = self.layer();
        let options = self.description().options().iter().enumerate();
        options
            .filter_map(|(index, option)| {
                let (stored, _) = layer.find(index)?;
                Some((option.name(), stored.value()?))
            })
            .collect()
    }

    /// Returns the references in the values on this node, each with the name of its option: in
    /// values that were set, and declared defaults that are context values.
    pub fn references(&self) -> Vec<(&str, Reference)> {
        let layer = self.layer();
        let options = self.description().options().iter().enumerate();
        let values =
            options.filter_map(
                |(index, option)| match (layer.find(index), option.source()) {
                    (Some((stored, _)), _) => Some((option, stored.value()?)),
                    (None, Source::Default(default)) if option.holds().context => {
                        Some((option, default.value()?))
                    }
                    _ => None,
                },
            );
        let found = values.flat_map(|(option, value)| {
            let references = option.references(&value).into_iter();
            references.map(|reference| (option.name(), reference))
        });
        found.collect()
    }

    /// Returns the names that have a value on this node, parents not asked.
    pub fn local_names(&self) -> Vec<String> {
        let layer = self.layer();
        let mut names: Vec<String> = self
            .description()
            .options()
            .iter()
            .enumerate()
            .filter(|(index, option)| {
                layer.find(*index).is_some() || matches!(option.source(), Source::Default(_))
            })
            .map(|(_, option)| option.name().to_owned())
            .collect();
        names.extend(layer.extra_names().map(str::to_owned));
        names
    }

    /// Returns where the option's value comes from.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no value.
    pub fn origin(&self, name: &str) -> Result<Origin, OptionError> {
        self.find(name).map(Found::into_origin)
    }

    /// Sets an option on this node. A name that the config lacks is kept as it is, also by a strict
    /// config: children that declare the name inherit it, and [`Node::get`] finds it.
    ///
    /// # Errors
    ///
    /// Returns an error if the value is not of the option's type or breaks a constraint; nothing
    /// changes then.
    pub fn set_local(&self, name: &str, value: impl Into<Value>) -> Result<(), ConfigErrors> {
        let value = value.into();
        let Some(index) = self.description().index(name) else {
            self.layer_mut().put_extra(name, value);
            CHANGES.fetch_add(1, Ordering::AcqRel);
            return Ok(());
        };
        let option = &self.description().options()[index];
        let stored = match option.read_and_check(self.owner(), &value) {
            Ok(stored) => stored,
            Err(errors) => return Err(ConfigErrors::of(self.owner(), errors)),
        };
        self.layer_mut().put_stored(index, stored);
        CHANGES.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Returns the values that are set on this node, as they were written.
    pub fn explicit(&self) -> Layer {
        self.layer().clone()
    }

    /// Returns an independent config: every value, including inherited ones, is set on it, and it
    /// has no parent. Values without a written form are shared.
    pub fn denormalize(&self) -> Node {
        let mut alone = Layer::new(self.description());
        for (index, option) in self.description().options().iter().enumerate() {
            if let Ok(found) = self.find(option.name()) {
                alone.put_stored(index, found.stored);
            }
        }
        let layer = self.layer();
        for name in layer.extra_names() {
            if let Some(value) = layer.extra(name) {
                alone.put_extra(name, value.clone());
            }
        }
        drop(layer);
        Self::unchecked(self.owner().to_owned(), alone)
    }

    /// Returns every option with its value and where it comes from; print it.
    pub fn explain(&self) -> Explanation {
        let lines = self
            .description()
            .options()
            .iter()
            .map(|option| {
                let (value, origin) = match self.find(option.name()) {
                    Ok(found) => (found.stored.to_string(), found.into_origin().to_string()),
                    Err(_) => ("-".to_owned(), "nobody has a value".to_owned()),
                };
                [option.name().to_owned(), value, origin]
            })
            .collect();
        Explanation {
            owner: self.owner().to_owned(),
            config: self.description().name().to_owned(),
            lines,
        }
    }

    fn find(&self, name: &str) -> Result<Found, OptionError> {
        match self.description().index(name) {
            Some(index) => {
                let option = &self.description().options()[index];
                self.find_at(&self.layer(), index, option)
            }
            None => self
                .find_local(name)
                .or_else(|| self.find_above(name))
                .ok_or_else(|| match self.parent() {
                    Some(_) => self.no_value(name),
                    None => self.description().unknown_option(self.owner(), name),
                }),
        }
    }

    /// The value of an option that this config declares.
    pub(crate) fn find_at(
        &self,
        layer: &Layer,
        index: usize,
        option: &OptionDescription,
    ) -> Result<Found, OptionError> {
        if let Some(found) = self.find_local_at(layer, index, option) {
            return Ok(found);
        }
        let found = match option.source() {
            Source::Inherited => self.find_above(option.name()),
            Source::InheritedOr(fallback) => self.find_set_above(option.name()).or_else(|| {
                Some(Found {
                    stored: fallback.clone(),
                    from: None,
                    origin: Origin::Fallback,
                })
            }),
            Source::Required => return Err(option.missing(self.owner())),
            Source::Default(_) => None,
        };
        found.ok_or_else(|| self.no_value(option.name()))
    }

    /// A value of this node alone.
    fn find_local_at(
        &self,
        layer: &Layer,
        index: usize,
        option: &OptionDescription,
    ) -> Option<Found> {
        if let Some((stored, origin)) = layer.find(index) {
            return Some(Found {
                stored: stored.clone(),
                from: None,
                origin: origin.clone(),
            });
        }
        match option.source() {
            Source::Default(default) => Some(Found {
                stored: default.clone(),
                from: None,
                origin: Origin::Default,
            }),
            _ => None,
        }
    }

    fn find_local(&self, name: &str) -> Option<Found> {
        let layer = self.layer();
        match self.description().index(name) {
            Some(index) => self.find_local_at(&layer, index, &self.description().options()[index]),
            None => layer.extra(name).map(|value| Found {
                stored: Stored::new(value.clone()),
                from: None,
                origin: Origin::Explicit,
            }),
        }
    }

    /// The value of the nearest ancestor that has one, fallbacks not counted.
    pub(crate) fn find_set_above(&self, name: &str) -> Option<Found> {
        self.ancestors()
            .find_map(|node| Some(node.find_local(name)?.inherited_from(node)))
    }

    /// As [`Node::find_set_above`], then the fallback of the nearest ancestor that has one.
    pub(crate) fn find_above(&self, name: &str) -> Option<Found> {
        self.find_set_above(name).or_else(|| {
            self.ancestors()
                .find_map(|node| match node.description().option(name)?.source() {
                    Source::InheritedOr(fallback) => Some(Found {
                        stored: fallback.clone(),
                        from: Some(node.clone()),
                        origin: Origin::Fallback,
                    }),
                    _ => None,
                })
        })
    }

    fn ancestors(&self) -> impl Iterator<Item = Node> {
        std::iter::successors(self.parent(), Node::parent)
    }

    pub(crate) fn no_value(&self, name: &str) -> OptionError {
        OptionError::NoValue {
            owner: self.owner().to_owned(),
            option: name.to_owned(),
            asked: self
                .ancestors()
                .map(|node| node.owner().to_owned())
                .collect(),
        }
    }

    // A layer is replaced slot by slot: a panic elsewhere cannot leave it half written.
    fn layer(&self) -> RwLockReadGuard<'_, Layer> {
        self.0.layer.read().unpoisoned()
    }

    fn layer_mut(&self) -> RwLockWriteGuard<'_, Layer> {
        self.0.layer.write().unpoisoned()
    }
}

/// A value and where it came from.
pub(crate) struct Found {
    pub(crate) stored: Stored,
    /// The ancestor that has it; `None` for the node itself.
    pub(crate) from: Option<Node>,
    /// Where the node or the ancestor has it from.
    pub(crate) origin: Origin,
}

impl Found {
    fn inherited_from(mut self, node: Node) -> Self {
        self.from = Some(node);
        self
    }

    fn into_origin(self) -> Origin {
        match self.from {
            Some(node) => Origin::Inherited {
                from: node.owner().to_owned(),
                origin: Box::new(self.origin),
            },
            None => self.origin,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("owner", &self.owner())
            .field("config", &self.description().name())
            .field("set", &*self.layer())
            .field("parent", &self.parent().as_ref().map(Node::owner))
            .finish()
    }
}
