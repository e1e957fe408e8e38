//! A driver of your own, and the types that environment files of its tests may
//! name.

mod chat_peer;

use standin::environment::DriverTypes;

pub use crate::chat_peer::{ChatPeer, ChatPeerBuilder, ChatPeerConfig};

/// The driver types of standin and the [`ChatPeer`].
pub fn types() -> DriverTypes {
    let mut types = DriverTypes::standard();
    types
        .register::<ChatPeer, ChatPeerConfig>()
        .expect("no type of standin is called chat-peer");
    types
}
