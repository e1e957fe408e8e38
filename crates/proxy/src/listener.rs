//! Who accepts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use standin_reactor::{Actor, Next, Turn};
use standin_socket::{AcceptError, ClientBuilder, Server};

use crate::control::Control;
use crate::pair::Pair;

/// Accepts whoever comes.
pub(crate) struct Listener {
    server: Server,
    /// The socket that is registered: see [`Server::has_changed`].
    changes: Option<usize>,
    client: ClientBuilder,
    control: Arc<Control>,
}

/// How many connections are accepted before others have a turn.
const ACCEPTED_AT_ONCE: usize = 64;

/// How long it is until the next try when the system does not let it accept: no event says when it
/// does again.
const NEXT_TRY: Duration = Duration::from_millis(20);

impl Listener {
    pub(crate) fn new(server: Server, client: ClientBuilder, control: Arc<Control>) -> Listener {
        Listener {
            server,
            changes: None,
            client,
            control,
        }
    }
}

impl Actor for Listener {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        if turn.is_first() {
            self.server.wake_when_changed(turn.waker());
        }
        turn.wake_at(None);
        // The socket may be another one than before, or none for a while.
        if self.server.has_changed(&mut self.changes)
            && turn.register(&mut self.server).is_err()
            && !self.server.is_open()
        {
            return Ok(Next::Done);
        }
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.server.try_accept() {
                Ok(Some(near)) => {
                    let (client, control) = (self.client.clone(), Arc::clone(&self.control));
                    turn.spawn(Pair::new(near, client, control));
                }
                Ok(None) => return Ok(Next::Wait),
                Err(AcceptError::Closed { .. } | AcceptError::Aborted { .. }) => {
                    return Ok(Next::Done);
                }
                Err(error) => {
                    tracing::warn!(proxy = %self.control.name, %error, "cannot accept");
                    let next_try = turn.now() + NEXT_TRY;
                    turn.wake_at(Some(next_try));
                    return Ok(Next::Wait);
                }
            }
        }
        Ok(Next::Again)
    }
}
