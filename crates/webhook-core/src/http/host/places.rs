//! The connections that a server holds: so many in all, and of one source so many that others find room.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::infra::limits::Limits;
use crate::infra::metrics::{Count, count};

/// Places are short when no more than one of so many is free.
const SHORT: usize = 4;

/// All places, and who holds them.
pub(super) struct Places {
    most: u32,
    free: Arc<Semaphore>,
    limits: Arc<Limits>,
    held: PerSource,
}

/// How many places each source holds: none of them zero.
type PerSource = Arc<Mutex<BTreeMap<IpAddr, u32>>>;

/// A place that nobody has taken yet.
pub(super) struct Free(OwnedSemaphorePermit);

/// The place of one connection, free again when it is dropped.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    counted: Option<(IpAddr, PerSource)>,
}

/// Whether places are short.
#[derive(Clone)]
pub(super) struct Pressure {
    free: Arc<Semaphore>,
    short: usize,
}

impl Places {
    pub(super) fn of(most: u32, limits: Arc<Limits>) -> Self {
        let free = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(usize::MAX)));
        Self { most, free, limits, held: PerSource::default() }
    }

    /// Waits for a free place. `None` if nobody counts them any more.
    pub(super) async fn free(&self) -> Option<Free> {
        if self.free.available_permits() == 0 {
            count(Count::ConnectionsFull);
            if self.limits.is_news_of_a_crowd(None) {
                let most = self.most;
                tracing::warn!("All {most} connections are taken: new ones wait until one ends");
            }
        }
        Arc::clone(&self.free).acquire_owned().await.ok().map(Free)
    }

    /// The place for a connection of this peer, unless its source holds as many as one may.
    pub(super) fn taken_by(&self, peer: IpAddr, free: Free) -> Option<Place> {
        let Free(permit) = free;
        let Some((source, most)) = self.limits.connections_of(peer) else {
            return Some(Place { _permit: permit, counted: None });
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = held.get(&source).copied().unwrap_or(0);
        if holds >= most.get() {
            drop(held);
            self.refused(source, holds);
            return None;
        }
        held.insert(source, holds.saturating_add(1));
        Some(Place { _permit: permit, counted: Some((source, Arc::clone(&self.held))) })
    }

    fn refused(&self, source: IpAddr, holds: u32) {
        count(Count::ConnectionRefused);
        if self.limits.is_news_of_a_crowd(Some(source)) {
            let most = self.most;
            tracing::warn!(
                "{source} holds {holds} of {most} connections: more are closed until one of them ends. \
                 If it is a proxy of yours, name it in TRUSTED_PROXIES; else see CONNECTIONS_PER_SOURCE"
            );
        }
    }

    /// Tells a connection whether others wait for its place.
    pub(super) fn pressure(&self) -> Pressure {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        Pressure { free: Arc::clone(&self.free), short: most / SHORT }
    }

    /// Waits until nobody holds a place.
    pub(super) async fn all_free(&self) {
        // It cannot fail: nobody closes them.
        self.free.acquire_many(self.most).await.ok();
    }
}

impl Pressure {
    pub(super) fn is_high(&self) -> bool {
        self.free.available_permits() <= self.short
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((source, held)) = self.counted.take() else { return };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get_mut(&source) {
            Some(holds) if *holds > 1 => *holds = holds.saturating_sub(1),
            Some(_) | None => drop(held.remove(&source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::domain::clock::Clock;
    use crate::infra::config::Rules;
    use crate::infra::networks::Networks;

    fn places(most: u32, of_one_source: u32) -> Places {
        let rules = Rules {
            connections: NonZeroU32::new(of_one_source),
            proxies: Networks::parse("10.0.0.0/8", None).unwrap(),
            provider: Networks::parse("107.23.30.83", None).unwrap(),
            ..Rules::default()
        };
        Places::of(most, Arc::new(Limits::new(rules, &Clock::system())))
    }

    async fn take(places: &Places, peer: &str) -> Option<Place> {
        let free = places.free().await.unwrap();
        places.taken_by(peer.parse().unwrap(), free)
    }

    #[tokio::test]
    async fn a_source_holds_no_more_than_it_may() {
        for (of_one_source, peers, held) in [
            (2, ["192.0.2.1", "192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1"], 2),
            (2, ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"], 4),
            (2, ["2001:db8::1", "2001:db8::2", "2001:db8::ffff", "2001:db8::3:1"], 2),
            (2, ["2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"], 4),
            // Proxies of one's own, also in the other form.
            (2, ["10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1"], 4),
            // All of FastSpring's deliveries come from one address.
            (2, ["107.23.30.83"; 4], 4),
            (0, ["192.0.2.1"; 4], 4),
        ] {
            let places = places(16, of_one_source);
            let mut taken = Vec::new();
            for peer in peers {
                taken.extend(take(&places, peer).await);
            }
            assert_eq!(taken.len(), held, "{peers:?}");
            // What was refused is free again, and so is what ends; nothing is remembered of who left.
            assert_eq!(places.free.available_permits(), 16 - held);
            drop(taken);
            assert!(places.held.lock().unwrap().is_empty());
            places.all_free().await;
            assert!(take(&places, peers[0]).await.is_some());
        }
    }

    #[tokio::test]
    async fn a_place_that_ends_goes_to_the_next_connection() {
        let places = places(16, 2);
        let mut taken = vec![take(&places, "192.0.2.1").await, take(&places, "192.0.2.1").await];
        for _ in 0..3 {
            assert!(take(&places, "192.0.2.1").await.is_none());
            drop(taken.pop());
            taken.push(take(&places, "192.0.2.1").await);
            assert!(taken.iter().all(Option::is_some));
        }
    }
}
