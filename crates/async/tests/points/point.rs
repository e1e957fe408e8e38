//! Points at which a future is dropped.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
};

use futures_lite::future::or;

use crate::common::{SECONDS, both};

/// How far a future gets before it is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) polls: usize,
    /// Whether it is woken once more after the last poll: what it waits for may be on its way.
    is_woken: bool,
}

impl Point {
    /// Polls a future so far, and drops it unless it is over. `goes_on` is called after each poll
    /// and does what the future waits for, bit by bit.
    pub(crate) async fn reach<T>(
        self,
        future: impl Future<Output = T>,
        mut goes_on: impl FnMut(usize),
    ) -> Option<T> {
        let mut future = pin!(future);
        let alarm = Arc::new(Alarm::default());
        let waker = Waker::from(Arc::clone(&alarm));
        for poll in 0..self.polls {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(output);
            }
            goes_on(poll);
            if poll + 1 < self.polls || self.is_woken {
                alarm.rings().await;
            }
        }
        None
    }
}

/// Wakes the task of a test, and remembers that.
#[derive(Default)]
struct Alarm(Mutex<(bool, Option<Waker>)>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let task = state.1.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Alarm {
    async fn rings(&self) {
        let rings = poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if std::mem::take(&mut state.0) {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        });
        let never = async {
            async_io::Timer::after(SECONDS).await;
            panic!("it is never woken");
        };
        or(rings, never).await;
    }
}

/// Tries all points of a future, under tokio and without it. `scenario` says whether the future was
/// over.
pub(crate) fn at_every_point(scenario: impl AsyncFn(Point) -> bool) {
    both(async || {
        for polls in 0.. {
            let mut is_over = false;
            for is_woken in [false, true] {
                if polls > 0 || !is_woken {
                    is_over |= scenario(Point { polls, is_woken }).await;
                }
            }
            if is_over {
                assert!(polls > 0);
                return;
            }
            assert!(polls < 1000, "it does not come to an end");
        }
    });
}
