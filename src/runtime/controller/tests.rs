use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;

#[derive(Debug)]
struct Broken(Retry);

impl Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl Failure for Broken {
    fn retry(&self) -> Retry {
        self.0
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs a controller under a paused clock and notes when each run started.
struct Bench {
    waker: Waker<String>,
    starts: Arc<Mutex<Vec<u128>>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn bench<F>(outcome: impl Fn(usize) -> F + Send + Sync + 'static) -> Bench
where
    F: Future<Output = Result<Action, Broken>> + Send + 'static,
{
    let (controller, waker) = Controller::new(ControllerSettings::default());
    let starts: Arc<Mutex<Vec<u128>>> = Arc::default();
    let stop = CancellationToken::new();
    let begin = Instant::now();
    let (noted, token) = (starts.clone(), stop.clone());
    let task = tokio::spawn(async move {
        controller
            .run(
                move |_key: String| {
                    let mut noted = noted.lock().unwrap();
                    noted.push(begin.elapsed().as_millis());
                    outcome(noted.len())
                },
                token,
            )
            .await;
    });
    Bench {
        waker,
        starts,
        stop,
        task,
    }
}

impl Bench {
    async fn starts_after(self, time: Duration) -> Vec<u128> {
        tokio::time::sleep(time).await;
        self.stop.cancel();
        self.task.await.unwrap();
        self.starts.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn many_wakes_of_a_key_are_one_run() {
    let bench = bench(|_| async { Ok(Action::AwaitChange) });
    for _ in 0..100 {
        bench.waker.wake("a".into(), Wake::Observed);
    }
    assert_eq!(bench.starts_after(ms(5_000)).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wake_during_a_run_makes_exactly_one_more() {
    let bench = bench(|_| async {
        tokio::time::sleep(ms(1_000)).await;
        Ok(Action::AwaitChange)
    });
    bench.waker.wake("a".into(), Wake::Observed);
    tokio::time::sleep(ms(500)).await;
    bench.waker.wake("a".into(), Wake::Observed);
    bench.waker.wake("a".into(), Wake::Declared);
    let starts = bench.starts_after(ms(10_000)).await;
    assert_eq!(starts.len(), 2, "{starts:?}");
    assert!(
        starts[1] >= 1_020,
        "the second run waits for the first: {starts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_and_a_success_forgets_them() {
    let bench = bench(|run| async move {
        match run {
            1..=3 | 5 => Err(Broken(Retry::Backoff)),
            4 => Ok(Action::Requeue(ms(10))),
            _ => Ok(Action::AwaitChange),
        }
    });
    bench.waker.wake("a".into(), Wake::Observed);
    let starts = bench.starts_after(ms(5_000)).await;
    let gaps: Vec<u128> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps.len(), 5, "{gaps:?}");
    for (gap, (low, high)) in
        gaps.iter()
            .zip([(160, 202), (320, 402), (640, 802), (10, 12), (160, 202)])
    {
        assert!((low..=high).contains(gap), "{gaps:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_declared_change_does_not_wait_for_the_backoff() {
    let bench = bench(|run| async move {
        if run < 8 {
            return Err(Broken(Retry::Backoff));
        }
        Ok(Action::AwaitChange)
    });
    bench.waker.wake("a".into(), Wake::Observed);
    // Seven failures lie behind after 200 ms * (2^7 - 1) at the most; the eighth wait is long.
    tokio::time::sleep(ms(13_000)).await;
    let before = bench.starts.lock().unwrap().len();
    bench.waker.wake("a".into(), Wake::Observed);
    tokio::time::sleep(ms(300)).await;
    assert_eq!(bench.starts.lock().unwrap().len(), before);
    bench.waker.wake("a".into(), Wake::Declared);
    tokio::time::sleep(ms(50)).await;
    assert_eq!(bench.starts.lock().unwrap().len(), before + 1);
    bench.stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_is_tried_again_at_once_but_not_for_ever() {
    let bench = bench(|_| async { Err(Broken(Retry::Now)) });
    bench.waker.wake("a".into(), Wake::Observed);
    let starts = bench.starts_after(ms(1_000)).await;
    assert!(starts[3] - starts[0] < 10, "{starts:?}");
    assert!(starts.len() < 8, "{starts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_run_stops_nobody() {
    let bench = bench(|run| async move {
        assert!(run > 1, "first run panics on purpose");
        Ok(Action::AwaitChange)
    });
    bench.waker.wake("a".into(), Wake::Observed);
    assert_eq!(bench.starts_after(ms(1_000)).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_without_news_is_looked_at_again_by_the_clock() {
    let bench = bench(|_| async { Ok(Action::AwaitChange) });
    bench.waker.wake("a".into(), Wake::Observed);
    assert_eq!(bench.starts_after(ms(121_000)).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_more_keys_run_at_once_than_allowed() {
    let now = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now_in, most_in) = (now.clone(), most.clone());
    let bench = bench(move |_| {
        let (now, most) = (now_in.clone(), most_in.clone());
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(ms(100)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Action::AwaitChange)
        }
    });
    for key in 0..20 {
        bench.waker.wake(format!("{key:02}"), Wake::Observed);
    }
    assert_eq!(bench.starts_after(ms(5_000)).await.len(), 20);
    assert_eq!(most.load(Ordering::SeqCst), 4);
}
