//! Who may call, and how often: decided by the source address alone, before anything else is done for a delivery.
//!
//! It keeps noise away and proves nothing: the signature does.

use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use http::HeaderMap;
use jiff::Timestamp;

use crate::domain::clock::Clock;
use crate::infra::config::Rules;
use crate::infra::networks::Networks;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// How many deliveries there are between two looks for sources that can be forgotten.
const SWEEP_EVERY: usize = 10_000;
/// More sources than these are not remembered after such a look.
const MOST_SOURCES: usize = 100_000;

/// Health checks of one source: every load balancer and monitor asks less often.
const HEALTH_PER_MINUTE: NonZeroU32 = NonZeroU32::new(120).unwrap();
const HEALTH_BURST: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// The peer, or whoever the trusted proxies before us say has called them. What is further left in the header is
/// the caller's own claim.
fn source_behind(peer: IpAddr, headers: &HeaderMap, proxies: &Networks) -> IpAddr {
    let mut hops = hops(headers);
    let mut source = peer.to_canonical();
    while proxies.contain(source) {
        let Some(before) = hops.next().and_then(address) else { break };
        source = before;
    }
    source
}

/// What proxies wrote, the last one first.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(FORWARDED_FOR).iter().rev();
    values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','))
}

/// Whom the proxy next to us says it was called by.
pub(crate) fn last_hop(headers: &HeaderMap) -> Option<IpAddr> {
    hops(headers).next().and_then(address)
}

/// Some proxies write the port too.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let plain = text.parse::<IpAddr>().ok();
    plain.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip())).map(|ip| ip.to_canonical())
}

/// Why a delivery is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TurnedAway {
    /// There is an allowlist, and this is not in it.
    #[error("deliveries from {0} are not allowed: IP_ALLOWLIST does not name it")]
    NotAllowed(IpAddr),
    /// There is an allowlist, and no address to look for.
    #[error("deliveries from an unknown address are not allowed: IP_ALLOWLIST is set")]
    Unknown,
    /// Too many of them lately; the next one is admitted after so long.
    #[error("too many deliveries from {0}: see RATE_LIMIT_PER_MINUTE")]
    TooMany(IpAddr, Duration),
}

/// The rules at work. Each process counts for itself.
pub struct Limits {
    allowed: Option<Networks>,
    proxies: Networks,
    rate: Option<PerSource>,
    health: PerSource,
    connections: Option<NonZeroU32>,
    provider: Networks,
    news: PerSource,
    crowds: PerSource,
}

impl Limits {
    /// Nobody has called yet.
    pub fn new(rules: Rules, clock: &Clock) -> Self {
        let Rules { allowed, proxies, rate, connections, provider } = rules;
        let rate = rate.map(|quota| PerSource::new(quota, clock));
        let health = Quota::per_minute(HEALTH_PER_MINUTE).allow_burst(HEALTH_BURST);
        let health = PerSource::new(health, clock);
        let [news, crowds] =
            [(); 2].map(|()| PerSource::new(Quota::per_minute(NonZeroU32::MIN), clock));
        Self { allowed, proxies, rate, health, connections, provider, news, crowds }
    }

    /// Where a delivery comes from, if it may come in.
    pub fn admit(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<Option<IpAddr>, TurnedAway> {
        // Without an address there is nobody to tell apart: one sender's limit would be everybody's.
        let Some(peer) = peer else {
            return if self.allowed.is_some() { Err(TurnedAway::Unknown) } else { Ok(None) };
        };
        let source = source_behind(peer, headers, &self.proxies);
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contain(source)) {
            return Err(TurnedAway::NotAllowed(source));
        }
        let taken = self.rate.as_ref().map_or(Ok(()), |rate| rate.take(source));
        taken.map(|()| Some(source)).map_err(|wait| TurnedAway::TooMany(source, wait))
    }

    /// Who asks for the health too often, and after how long they are answered again.
    ///
    /// A load balancer's own checks come from one of the trusted proxies and say nobody else's address: it must not take
    /// a server for dead because strangers ask through it.
    pub fn admit_health(
        &self,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<(), (IpAddr, Duration)> {
        let Some(peer) = peer else { return Ok(()) };
        let source = source_behind(peer, headers, &self.proxies);
        match self.proxies.contain(source) {
            true => Ok(()),
            false => self.health.take(source).map_err(|wait| (source, wait)),
        }
    }

    /// How many connections this peer may hold at once, and by what it is counted: its address, or its /64. `None` for
    /// any number: trusted proxies speak for many, and the provider delivers as much as there is.
    pub fn connections_of(&self, peer: IpAddr) -> Option<(IpAddr, NonZeroU32)> {
        let peer = peer.to_canonical();
        let is_free = self.proxies.contain(peer) || self.provider.contain(peer);
        self.connections.filter(|_| !is_free).map(|most| (key_of(peer), most))
    }

    /// Whether the provider publishes this address.
    pub fn is_of_provider(&self, source: Option<IpAddr>) -> bool {
        source.is_some_and(|source| self.provider.contain(source))
    }

    /// Whether nobody was told within a minute that this source, or all of them together, used up the connections.
    pub fn is_news_of_a_crowd(&self, source: Option<IpAddr>) -> bool {
        self.crowds.take(source.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))).is_ok()
    }

    /// Whether nobody was told of the one who was turned away within a minute: a flood is not to flood the log, too.
    pub fn is_news(&self, refused: TurnedAway) -> bool {
        self.is_news_from(match refused {
            TurnedAway::NotAllowed(source) | TurnedAway::TooMany(source, _) => Some(source),
            TurnedAway::Unknown => None,
        })
    }

    /// The same of a source that was let in and proved nothing.
    pub fn is_news_from(&self, source: Option<IpAddr>) -> bool {
        self.news.take(source.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))).is_ok()
    }
}

type Limiter = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, Elapsed, NoOpMiddleware<Duration>>;

/// One quota for each source.
struct PerSource {
    quota: Quota,
    clock: Clock,
    /// And how many it was asked for since the last sweep.
    limiter: Mutex<(Limiter, usize)>,
}

impl PerSource {
    fn new(quota: Quota, clock: &Clock) -> Self {
        let limiter = Mutex::new((limiter(quota, clock), 0));
        Self { quota, clock: clock.clone(), limiter }
    }

    /// One more, or how long to wait for it.
    fn take(&self, source: IpAddr) -> Result<(), Duration> {
        let mut held = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        let (limiter, asked) = &mut *held;
        *asked += 1;
        if *asked > SWEEP_EVERY {
            *asked = 0;
            limiter.retain_recent();
            limiter.shrink_to_fit();
            // Who has that many addresses is not stopped by a limit per address; memory is what is left to guard.
            if limiter.len() > MOST_SOURCES {
                *limiter = self::limiter(self.quota, &self.clock);
            }
        }
        let taken = limiter.check_key(&key_of(source));
        taken.map_err(|until| until.wait_time_from(limiter.clock().now()))
    }
}

fn limiter(quota: Quota, clock: &Clock) -> Limiter {
    let seen = Cell::new((clock.now(), Duration::ZERO));
    RateLimiter::hashmap_with_clock(quota, Elapsed { clock: clock.clone(), seen })
}

/// One customer of an internet provider has a whole /64 of IPv6 addresses.
pub(crate) fn key_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

/// Time that never goes back: when the wall clock is set back, nobody is kept out until it has caught up.
struct Elapsed {
    clock: Clock,
    seen: Cell<(Timestamp, Duration)>,
}

impl governor::clock::Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        let ((before, elapsed), now) = (self.seen.get(), self.clock.now());
        let passed = Duration::try_from(now.duration_since(before)).unwrap_or_default();
        let elapsed = elapsed.saturating_add(passed);
        self.seen.set((now, elapsed));
        elapsed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    fn limits(per_minute: u32, burst: u32) -> (PerSource, Arc<AtomicI64>) {
        let seconds = Arc::new(AtomicI64::new(1_788_220_900));
        let told = Arc::clone(&seconds);
        let clock =
            Clock::new(move || Timestamp::from_second(told.load(Ordering::SeqCst)).unwrap());
        let [per_minute, burst] = [per_minute, burst].map(|count| NonZeroU32::new(count).unwrap());
        (PerSource::new(Quota::per_minute(per_minute).allow_burst(burst), &clock), seconds)
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out() {
        let (limits, seconds) = limits(60, 1);
        let source = IpAddr::from([192, 0, 2, 1]);
        assert_eq!(limits.take(source), Ok(()));
        seconds.fetch_sub(3_600, Ordering::SeqCst);
        assert_eq!(limits.take(source), Err(Duration::from_secs(1)));
        seconds.fetch_add(1, Ordering::SeqCst);
        assert_eq!(limits.take(source), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let held = |limits: &PerSource| limits.limiter.lock().unwrap().0.len();
        for (pass, most) in [(1, 2 * SWEEP_EVERY), (0, MOST_SOURCES + SWEEP_EVERY)] {
            let (limits, seconds) = limits(60, 1);
            for source in 0..125_000_u32 {
                limits.take(IpAddr::from(source.to_be_bytes())).unwrap();
                if source % 5_000 == 0 {
                    seconds.fetch_add(pass, Ordering::SeqCst);
                }
                assert!(held(&limits) <= most, "{source} sources");
            }
            assert!(held(&limits) > 0);
        }
    }
}
