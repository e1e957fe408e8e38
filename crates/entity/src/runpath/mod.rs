//! Where entities keep their files, and that nothing else is ever emptied.
//!
//! 1. A runpath has one name, the canonical one, taken when it is defined; it is
//!    checked and acted on by that name alone ([`identity`]).
//! 2. Within the process an entity claims it before it looks ([`claims`]); other
//!    processes are kept away by a lock that ends with its holder ([`directory`]).
//! 3. The content of a directory is removed only if standin created the directory, found it empty,
//!    or left its marker in it at that time ([`marker`]).
//! 4. All acts go through one open handle of the directory, never through a link
//!    ([`sys`]).

mod artifacts;
mod claims;
mod directory;
mod error;
mod holder;
mod identity;
mod marker;
mod place;
mod run;
mod sys;

pub use self::artifacts::{ArtifactFolder, write_whole};
pub(crate) use self::claims::Claims;
pub(crate) use self::directory::{SCRATCH, Subject};
pub use self::error::RunpathError;
pub(crate) use self::holder::{Holder, Use};
pub(crate) use self::place::{Held, Location, Runpath};
pub(crate) use self::run::RunUse;
pub use self::run::{default_root, remove_root};
