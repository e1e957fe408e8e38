//! Operations as futures.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use standin_socket::operation::{Attempt, Operation, Wait, Waits};

use crate::{
    clock::{Alarm, Clock},
    readiness::{Registered, Sources},
};

/// A task of the present runtime waits.
#[derive(Clone, Copy, Debug)]
pub struct Task;

impl Wait for Task {
    #[expect(
        refining_impl_trait,
        reason = "whether it is `Send` is for its users to see"
    )]
    fn run<O: Operation>(&self, operation: O) -> Running<O> {
        Running {
            operation,
            alarm: Alarm::default(),
        }
    }
}

/// An operation for which a task waits.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Running<O> {
    operation: O,
    alarm: Alarm,
}

/// Operations are never pinned.
impl<O> Unpin for Running<O> {}

impl<O: Operation> Future for Running<O> {
    type Output = O::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        let Running { operation, alarm } = &mut *self;
        *alarm = Alarm::default();
        match attempt(operation, cx) {
            Ok(Ok(output)) => Poll::Ready(output),
            Ok(Err(set)) => {
                *alarm = set;
                Poll::Pending
            }
            Err(error) => Poll::Ready(operation.fail(error)),
        }
    }
}

/// Goes on as far as it goes. If that is not all, the task is woken when the operation may go on,
/// or when the alarm rings.
fn attempt<O: Operation>(
    operation: &mut O,
    cx: &mut Context<'_>,
) -> io::Result<Result<O::Output, Alarm>> {
    let mut sources: Arc<Sources> = operation.kept().value();
    let mut registered = sources.here();
    let mut interest = operation.interest();
    loop {
        let mut tried = None;
        let mut attempt = |waker: &Waker| {
            let outcome = operation.attempt(waker);
            let needs =
                matches!(&outcome, Attempt::Waits(waits) if waits.readiness == Some(interest));
            tried = Some(outcome);
            if needs {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        };
        match &registered {
            Some(registered) => registered.try_while_ready(interest, cx, &mut attempt)?,
            None => drop(attempt(cx.waker())),
        }
        let waits = match tried {
            Some(Attempt::Done(output)) => return Ok(Ok(output)),
            Some(Attempt::Waits(waits)) => waits,
            None => continue,
        };
        let now: Arc<Sources> = operation.kept().value();
        match (&registered, waits.readiness) {
            (_, None) => return alarm(waits, registered.as_deref(), cx).map(Err),
            (Some(source), Some(wanted)) if wanted == interest && Arc::ptr_eq(&now, &sources) => {
                return alarm(waits, Some(source), cx).map(Err);
            }
            (_, Some(wanted)) => {
                interest = wanted;
                registered = Some(now.register(|| operation.descriptor())?);
                sources = now;
            }
        }
    }
}

fn alarm(waits: Waits, registered: Option<&Registered>, cx: &Context<'_>) -> io::Result<Alarm> {
    let Some(until) = waits.until else {
        return Ok(Alarm::default());
    };
    Ok(match registered {
        Some(registered) => Alarm::set(registered.clock(), until, cx.waker()),
        None => Alarm::set(&Clock::shared()?, until, cx.waker()),
    })
}
