//! Drives a client connection, ends it when its time is up, and lets it finish when the proxy
//! leaves.

use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::time::{Instant, sleep};

use super::drain::Stage;
use super::limits;
use super::watch::{Verdict, Watch};
use super::worker::Worker;

/// Drives a connection to its end. `leave` makes it finish what it has begun and say goodbye.
pub(super) async fn attend<C: Future>(
    worker: &Worker,
    watch: &Watch,
    leave_at: Stage,
    connection: C,
    leave: impl Fn(Pin<&mut C>),
) {
    let drain = &worker.shared.drain;
    let mut connection = pin!(connection);
    let mut leaving = pin!(drain.reached(leave_at));
    let (mut is_leaving, mut first) = (false, true);
    let mut timer = pin!(sleep(limits::HEAD_TIME));
    let mut timed_for_head = true;
    std::future::poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // The futures below have this task's waker from their last poll on; polling them again
        // before they are due would only cost.
        if !is_leaving
            && (first || drain.stage() >= leave_at)
            && leaving.as_mut().poll(cx).is_ready()
        {
            is_leaving = true;
            leave(connection.as_mut());
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        let in_head = watch.is_in_head();
        // Asked before it is set anew: one that had fired wakes nobody until it is polled again.
        let due = first || timer.is_elapsed() || timed_for_head != in_head;
        first = false;
        if in_head && !timed_for_head {
            timer.as_mut().reset(Instant::now() + limits::HEAD_TIME);
        }
        timed_for_head = in_head;
        while due && timer.as_mut().poll(cx).is_ready() {
            let traffic = &worker.shared.tables.load().listener.traffic;
            let idle = traffic.timeouts.idle.get();
            match watch.look(idle, idle.max(traffic.timeouts.request.get())) {
                Verdict::Wait(left) => timer.as_mut().reset(Instant::now() + left),
                Verdict::Leave if !is_leaving => {
                    is_leaving = true;
                    leave(connection.as_mut());
                    if connection.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    timer.as_mut().reset(Instant::now() + limits::GOODBYE);
                }
                Verdict::Leave | Verdict::Cut => return Poll::Ready(()),
            }
        }
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::proxy::clock;
    use crate::proxy::worker::Shared;

    /// A connection whose head begins in the very poll in which its timer fires. How often it was
    /// polled after that: each time by the timer, for nothing else happens.
    #[tokio::test(start_paused = true)]
    async fn the_timer_of_a_head_goes_on_though_an_older_one_has_just_fired() {
        let (shared, _status) = Shared::alone();
        let worker = Worker::new(0, shared);
        let watch = Arc::new(Watch::new(true));
        watch.begin();
        watch.end(clock::now());
        let (mut polls, mut begun) = (0, false);
        let mut head = Box::pin(sleep(limits::HEAD_TIME));
        let connection = std::future::poll_fn(|cx| {
            if begun {
                polls += 1;
            } else if head.as_mut().poll(cx).is_ready() {
                begun = true;
                watch.read();
            }
            Poll::<()>::Pending
        });
        let attend = attend(&worker, &watch, Stage::Leaving, connection, |_| {});
        let _ = tokio::time::timeout(Duration::from_secs(100), attend).await;
        assert!(polls > 1, "the timer is lost");
    }
}
