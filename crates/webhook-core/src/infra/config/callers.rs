//! Who may call, and how often.

use std::num::NonZeroU32;

use governor::Quota;

use super::problem::{Problem, Warning};
use super::reader::Reader;
use crate::domain::profile::Profile;
use crate::infra::networks::Networks;

/// What the vendor decides about sources.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// `IP_ALLOWLIST`: nobody else gets in.
    pub allowed: Option<Networks>,
    /// `TRUSTED_PROXIES`: whose `X-Forwarded-For` is believed.
    pub proxies: Networks,
    /// `RATE_LIMIT_PER_MINUTE` and `RATE_LIMIT_BURST`, per source.
    pub rate: Option<Quota>,
    /// `CONNECTIONS_PER_SOURCE`: how many a server holds open for one source at once.
    pub connections: Option<NonZeroU32>,
    /// The addresses that the provider publishes: they may hold any number of connections.
    pub provider: Networks,
}

impl<R: Fn(&str) -> Option<String>> Reader<R> {
    pub(super) fn limits<P: Profile>(&mut self) -> Rules {
        let published = P::addresses();
        let allowed = self.networks(
            "IP_ALLOWLIST",
            Some(&published),
            "provider, or addresses and networks such as 203.0.113.7, 198.51.100.0/24",
        );
        let proxies = self.networks(
            "TRUSTED_PROXIES",
            None,
            "addresses and networks such as 203.0.113.7, 198.51.100.0/24",
        );
        for wide in proxies.iter().flat_map(Networks::too_wide) {
            self.warn(Warning::WideProxies(wide.to_string()));
        }
        let per_minute =
            self.number("RATE_LIMIT_PER_MINUTE", 1000, 0..=1_000_000, "0 to 1000000 deliveries");
        let burst = self.number("RATE_LIMIT_BURST", 100, 1..=1_000_000, "1 to 1000000 deliveries");
        let [per_minute, burst] =
            [per_minute, burst].map(|count| u32::try_from(count).ok().and_then(NonZeroU32::new));
        let rate = per_minute.zip(burst).map(|(n, burst)| Quota::per_minute(n).allow_burst(burst));
        let connections =
            self.number("CONNECTIONS_PER_SOURCE", 64, 0..=512, "0 to 512 connections");
        let connections = u32::try_from(connections).ok().and_then(NonZeroU32::new);
        let provider = Networks::parse("provider", Some(&published)).unwrap_or_default();
        Rules { allowed, proxies: proxies.unwrap_or_default(), rate, connections, provider }
    }

    fn networks(
        &mut self,
        variable: &'static str,
        provider: Option<&[&str]>,
        wanted: &'static str,
    ) -> Option<Networks> {
        let text = self.optional(variable)?;
        let networks = Networks::parse(&text, provider);
        if networks.is_none() {
            self.problems.push(Problem::Invalid { variable, wanted });
        }
        networks
    }
}
