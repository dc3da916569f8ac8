use super::super::turn::Rank;
use super::*;

const WINDOW: Duration = Duration::from_secs(5);

fn pace(limit: u32) -> Arc<RateLimiter> {
    Arc::new(RateLimiter::new(limit, WINDOW))
}

fn in_secs(secs: u64) -> Deadline {
    Deadline::after(Duration::from_secs(secs), &crate::domain::clock::Clock::system())
}

fn turn(rank: Rank, second: i64, calls: usize) -> Turn {
    Turn { rank, at: jiff::Timestamp::from_second(second).unwrap(), calls }
}

async fn admit(pace: &Arc<RateLimiter>, turn: Turn, secs: u64) -> Result<CallBudget, NotAdmitted> {
    pace.admit(&turn, || 0, in_secs(secs).instant()).await
}

#[tokio::test(start_paused = true)]
async fn no_window_holds_more_than_the_limit() {
    let pace = pace(50);
    let begin = Instant::now();
    let mut starts = Vec::new();
    for _ in 0..125 {
        assert!(pace.next(in_secs(60)).await);
        starts.push(begin.elapsed());
    }
    for pair in starts.windows(51) {
        assert!(pair[50] - pair[0] >= Duration::from_millis(5_250));
    }
    assert_eq!(starts[124], Duration::from_millis(10_500));
}

/// A call counts from when it starts, not from when its delivery got the place.
#[tokio::test(start_paused = true)]
async fn a_place_counts_from_the_start_of_its_call() {
    let pace = pace(8);
    let first = admit(&pace, turn(Rank::Rest, 0, 8), 60).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let begin = Instant::now();
    while first.take() {}
    let second = admit(&pace, turn(Rank::Rest, 1, 1), 60).await.unwrap();
    assert_eq!(begin.elapsed(), pace.window);
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn begun_events_go_before_those_not_begun() {
    let pace = pace(8);
    let begun = admit(&pace, turn(Rank::Rest, 0, 8), 60).await.unwrap();
    while begun.take() {}
    let fresh = async {
        admit(&pace, turn(Rank::Purchase, 0, 8), 60).await.unwrap();
        Instant::now()
    };
    let begun = async {
        for _ in 0..6 {
            assert!(pace.next(in_secs(60)).await);
        }
        Instant::now()
    };
    let (fresh, begun) = tokio::join!(fresh, begun);
    assert!(begun < fresh, "the delivery that had begun waited for the one that had not");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_start_in_time_is_refused_at_once() {
    let pace = pace(10);
    let first = admit(&pace, turn(Rank::Rest, 0, 8), 1).await.unwrap();
    let before = Instant::now();
    let refused = admit(&pace, turn(Rank::Rest, 1, 8), 3).await.unwrap_err();
    assert_eq!(refused.retry_after, pace.window);
    // Nor what would have to wait for what waits elsewhere.
    drop(first);
    let one = turn(Rank::Rest, 1, 1);
    let refused = pace.admit(&one, || 25, in_secs(3).instant()).await.unwrap_err();
    assert_eq!(refused.retry_after, pace.window * 2);
    assert_eq!(Instant::now(), before);
}

#[tokio::test(start_paused = true)]
async fn unused_places_go_to_the_next_caller() {
    let pace = pace(10);
    let first = admit(&pace, turn(Rank::Rest, 0, 8), 20).await.unwrap();
    assert!(first.take() && first.take());
    let before = Instant::now();
    let (second, ()) =
        tokio::join!(admit(&pace, turn(Rank::Rest, 1, 8), 20), async { drop(first) });
    assert!(second.is_ok());
    assert_eq!(Instant::now(), before);
}

#[tokio::test(start_paused = true)]
async fn turns_go_by_rank_and_then_by_age() {
    let pace = pace(2);
    let first = admit(&pace, turn(Rank::Rest, 0, 2), 60).await.unwrap();
    while first.take() {}
    let wants = [
        (Rank::Rest, 5),
        (Rank::Purchase, 9),
        (Rank::Rest, 1),
        (Rank::Begun, 7),
        (Rank::Purchase, 3),
    ];
    let done = Mutex::new(Vec::new());
    let all = wants.map(|(rank, at)| {
        let (pace, done) = (&pace, &done);
        async move {
            let places = admit(pace, turn(rank, at, 2), 600).await.unwrap();
            while places.take() {}
            done.lock().unwrap().push(at);
        }
    });
    futures_util::future::join_all(all).await;
    assert_eq!(*done.lock().unwrap(), [7, 3, 9, 1, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_waiting_delays_nobody() {
    let pace = pace(2);
    let first = admit(&pace, turn(Rank::Rest, 0, 2), 60).await.unwrap();
    while first.take() {}
    let gone =
        tokio::time::timeout(Duration::from_secs(1), admit(&pace, turn(Rank::Purchase, 0, 2), 60));
    let begin = Instant::now();
    let (gone, after) = tokio::join!(gone, admit(&pace, turn(Rank::Rest, 1, 2), 60));
    assert!(gone.is_err() && after.is_ok());
    assert_eq!(begin.elapsed(), pace.window);
}

/// Renewals of two calls at 80 ms each, all at once: the limit is used up to the last place, and no more.
#[tokio::test(start_paused = true)]
async fn burst_of_renewals_takes_the_limits_own_time() {
    let pace = pace(50);
    let begin = Instant::now();
    let all = (0..1_000).map(|second| {
        let pace = &pace;
        async move {
            let places = admit(pace, turn(Rank::Rest, second, 2), 100_000).await.unwrap();
            for _ in 0..2 {
                assert!(places.take());
                tokio::time::sleep(Duration::from_millis(80)).await;
            }
        }
    });
    futures_util::future::join_all(all).await;
    let own_time = Duration::from_secs(5 * (2_000 / 50 - 1));
    assert!(begin.elapsed() < own_time.mul_f32(1.1), "{:?}", begin.elapsed());
}

/// A purchase of five calls; whether it was admitted and could make them all.
async fn purchase(pace: &Arc<RateLimiter>, number: i64) -> bool {
    let Ok(places) = admit(pace, turn(Rank::Purchase, number, 5), 4).await else { return false };
    for _ in 0..5 {
        assert!(places.take());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

#[tokio::test(start_paused = true)]
async fn many_purchases_at_once_get_done_in_turn() {
    for (limit, at_once) in [(50, 20), (50, 60), (10, 5)] {
        let pace = pace(limit);
        let mut left = at_once;
        for round in 0.. {
            let all = (0..left).map(|number| purchase(&pace, number));
            let all = futures_util::future::join_all(all).await;
            let done = i64::try_from(all.into_iter().filter(|done| *done).count()).unwrap();
            assert!(done * 5 >= i64::from(limit).min(left * 5), "round {round}: {done} of {left}");
            left -= done;
            if left == 0 {
                break;
            }
            tokio::time::sleep(pace.window).await;
        }
    }
}
