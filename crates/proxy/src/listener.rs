//! The accepting actor.

use std::io;
use std::sync::Arc;

use standin_reactor::{Actor, Next, Turn};
use standin_socket::{Arrival, Arrivals, ClientBuilder, Server};

use crate::control::Control;
use crate::pair::Pair;

/// Accepts the connections.
pub(crate) struct Listener {
    arrivals: Arrivals,
    client: ClientBuilder,
    control: Arc<Control>,
}

impl Listener {
    pub(crate) fn new(server: &Server, client: ClientBuilder, control: Arc<Control>) -> Listener {
        Listener {
            arrivals: server.arrivals(),
            client,
            control,
        }
    }
}

impl Actor for Listener {
    fn act(&mut self, turn: &mut Turn<'_>) -> io::Result<Next> {
        if turn.is_first() {
            self.arrivals.wake_when_changed(turn.waker());
        }
        turn.wake_at(None);
        loop {
            match self.arrivals.take_next() {
                Arrival::Moved => turn.register(&mut self.arrivals)?,
                Arrival::Connection(near) => {
                    let (client, control) = (self.client.clone(), Arc::clone(&self.control));
                    turn.spawn(Pair::new(near, client, control));
                }
                Arrival::Nobody => return Ok(Next::Wait),
                Arrival::Enough => return Ok(Next::Again),
                Arrival::Failed { error, next_try } => {
                    tracing::warn!(proxy = %self.control.name, %error, "cannot accept");
                    let again = turn.now() + next_try;
                    turn.wake_at(Some(again));
                    return Ok(Next::Wait);
                }
                Arrival::Closed => return Ok(Next::Done),
            }
        }
    }
}
