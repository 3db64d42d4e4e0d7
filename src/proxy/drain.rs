//! The way out: the stages of a shutdown, seen by every connection for the price of one load.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use tokio_util::sync::CancellationToken;

/// How far a shutdown is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// None.
    #[default]
    Serving = 0,
    /// Not ready; new connections are still taken, but none is kept alive.
    Leaving = 1,
    /// Connections without a request are closed. New ones are still taken while some of before go
    /// on: with a host port the proxy's successor cannot start until this one has ended, and
    /// whoever comes meanwhile would find nobody.
    Finishing = 2,
    /// No new connections.
    Closing = 3,
    /// What is left is cut.
    Over = 4,
}

/// The stage of this process.
#[derive(Debug)]
pub(super) struct Drain {
    stage: AtomicU8,
    /// One for each stage: who waits for one is not woken by those before it, and so may go
    /// without being polled until its own has come.
    reached: [CancellationToken; 5],
}

impl Drain {
    pub(super) fn new() -> Self {
        Self {
            stage: AtomicU8::new(0),
            reached: std::array::from_fn(|_| CancellationToken::new()),
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
        for reached in &self.reached[..=stage as usize] {
            reached.cancel();
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Serving,
            1 => Stage::Leaving,
            2 => Stage::Finishing,
            3 => Stage::Closing,
            _ => Stage::Over,
        }
    }

    /// Until that stage is reached. Does not borrow, so that a connection can hold it.
    pub(super) fn reached(&self, stage: Stage) -> impl Future<Output = ()> + Send + use<> {
        self.reached[stage as usize].clone().cancelled_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::task::{Context, Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }

    #[test]
    fn who_waits_for_a_stage_is_woken_by_that_one_alone() {
        let drain = Drain::new();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut closing = Box::pin(drain.reached(Stage::Closing));
        let mut cx = Context::from_waker(&waker);
        assert!(closing.as_mut().poll(&mut cx).is_pending());
        drain.enter(Stage::Leaving);
        assert!(!woken.0.load(Relaxed));
        drain.enter(Stage::Over);
        assert!(woken.0.load(Relaxed));
        assert!(closing.as_mut().poll(&mut cx).is_ready());
        assert_eq!(drain.stage(), Stage::Over);
    }
}
