//! Operations as futures.

use std::{
    future::Future,
    io, mem,
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

/// Goes on as far as it goes. If that is not all, the task is woken when the operation may
/// continue, or when the alarm rings.
fn attempt<O: Operation>(
    operation: &mut O,
    cx: &mut Context<'_>,
) -> io::Result<Result<O::Output, Alarm>> {
    let mut sources: Arc<Sources> = operation.kept().value();
    let mut asks = operation
        .interest()
        .and_then(|interest| Some((sources.here()?, interest)));
    let mut is_anew = false;
    loop {
        let mut tried = None;
        let mut attempt = |waker: &Waker| {
            let outcome = operation.attempt(waker);
            let asked = asks.as_ref().map(|(_, interest)| *interest);
            let needs = matches!(&outcome, Attempt::Waits(waits)
                if asked.is_some() && waits.readiness == asked);
            tried = Some(outcome);
            if needs {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        };
        match &asks {
            Some((source, interest)) => {
                if let Err(error) = source.try_while_ready(*interest, cx, &mut attempt) {
                    sources.forget(source);
                    if mem::replace(&mut is_anew, true) {
                        return Err(error);
                    }
                    asks = None;
                    continue;
                }
            }
            None => drop(attempt(cx.waker())),
        }
        let waits = match tried {
            Some(Attempt::Done(output)) => return Ok(Ok(output)),
            Some(Attempt::Waits(waits)) => waits,
            None => continue,
        };
        let source = asks.as_ref().map(|(source, _)| &**source);
        let Some(wanted) = waits.readiness else {
            if source.is_some() {
                // An event loop wakes only who has asked it last.
                operation.yield_place();
            }
            return alarm(waits, source, cx).map(Err);
        };
        let now: Arc<Sources> = operation.kept().value();
        let has_asked = asks.as_ref().is_some_and(|(_, asked)| *asked == wanted);
        if has_asked && Arc::ptr_eq(&now, &sources) {
            return alarm(waits, source, cx).map(Err);
        }
        let source = now.register(|| operation.descriptor())?;
        asks = Some((source, wanted));
        sources = now;
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
