//! Addresses and networks, as lists name them.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// Addresses and networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// A list separated by commas or blanks, in which `provider` means the addresses that the provider publishes.
    /// `None` when an entry means nothing, or there is none.
    pub fn parse(list: &str, provider: Option<&[&str]>) -> Option<Self> {
        let mut networks = Vec::new();
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        for entry in entries.filter(|entry| !entry.is_empty()) {
            match provider {
                Some(published) if entry == "provider" => {
                    networks.extend(published.iter().filter_map(|address| network(address)));
                }
                Some(_) | None => networks.push(network(entry)?),
            }
        }
        (!networks.is_empty()).then_some(Self(networks))
    }

    /// Those that are wider than any network of one's own: `10.0.0.0/8` and `fc00::/7` are the widest.
    pub fn too_wide(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter().filter(|network| match network {
            IpNet::V4(v4) => v4.prefix_len() < 8,
            IpNet::V6(v6) => v6.prefix_len() < 7,
        })
    }

    /// Whether the address is one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn network(text: &str) -> Option<IpNet> {
    let network: IpNet =
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let IpNet::V6(v6) = network else { return Some(network) };
    // The same addresses in their two forms are to be one.
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(length)) => Ipv4Net::new(v4, length).ok().map(IpNet::V4),
        // It is wider than the addresses that have two forms, and would hold none of them.
        (Some(_), None) => None,
        (None, _) => Some(network),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_it_says_in_both_forms() {
        for (text, parsed) in [
            ("::ffff:198.51.100.0/120", Some("198.51.100.0/24")),
            ("::ffff:1.2.3.4/90", None),
            ("::/0", Some("::/0")),
            ("1.2.3.4/33", None),
        ] {
            let expected = parsed.map(|network| network.parse::<IpNet>().unwrap());
            assert_eq!(network(text), expected, "{text}");
        }
    }
}
