//! The public internet, and nothing inside: which names and addresses a host that a customer names may have.
//!
//! A name is looked up once, by the resolver here, and the connection goes to exactly the addresses that were checked:
//! an answer that changes between check and connection has nothing to change. One inside address among an answer's
//! makes the whole answer suspect. Sources: the special-purpose registries of IANA (RFC 6890) and RFC 6761, 6762, 7686
//! and 8375 for names.
//!
//! Invariants, as absences:
//! - No address in another's clothes: mapped (`::ffff:0:0/96`), NAT64, 6to4 and Teredo forms are refused whole.
//! - No exception by name: what an operator lets through is an address with its port, written as such in the URL.

use std::{
    error::Error as StdError,
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Networks of IPv4 that are not the public internet: first address and length of the prefix.
const INSIDE: [(Ipv4Addr, u32); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's inside services behind a public address
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, where clouds keep their metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // relays of 6to4
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, broadcast
];

/// Networks inside `2000::/3`, the only part of IPv6 that is public, that are not.
const INSIDE_OF_GLOBAL: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo, benchmarks
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: any IPv4 address
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Endings of names that mean something inside, whatever a resolver says of them.
const INSIDE_NAMES: [&str; 10] =
    ["localhost", "local", "internal", "intranet", "private", "corp", "home", "lan", "arpa", "onion"];

/// Whether this address is on the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !INSIDE.iter().any(|&(network, length)| {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            u32::from(address) & mask == u32::from(network)
        }),
        IpAddr::V6(address) => {
            let is_in = |network: Ipv6Addr, length: u32| {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                u128::from(address) & mask == u128::from(network)
            };
            is_in(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
                && !INSIDE_OF_GLOBAL.iter().any(|&(network, length)| is_in(network, length))
        }
    }
}

/// Whether this name can be one of the public internet. One label is a name of a search domain, and some endings are
/// reserved for the inside: neither is looked up.
pub(super) fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.rsplit_once('.') {
        Some((_, ending)) => !ending.is_empty() && !INSIDE_NAMES.contains(&ending),
        None => false,
    }
}

/// Asks for the addresses of a name. A test asks nobody.
pub(super) type LookUp = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The machine's own resolver.
pub(super) fn system() -> LookUp {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name.as_str(), 0)).await?.collect::<Vec<_>>()) }))
}

/// Answers with the addresses that it checked, or with none.
pub(super) struct Guarded(pub(super) LookUp);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let look_up = (self.0)(name.as_str().to_owned());
        Box::pin(async move {
            let found = look_up.await?;
            if found.iter().any(|address| !is_public(address.ip())) {
                return Err(NotPublic.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The name has an address that is not on the public internet.
#[derive(Debug)]
pub(super) struct NotPublic;

impl NotPublic {
    /// Whether this is what an error comes down to.
    pub(super) fn caused(error: &(dyn StdError + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its address is not on the public internet")
    }
}

impl StdError for NotPublic {}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().expect("an address"))
    }

    #[test]
    fn every_inside_network_is_inside_from_its_first_address_to_its_last() {
        for (network, length) in INSIDE {
            let last = u32::from(network) | u32::MAX.checked_shr(length).unwrap_or(0);
            assert!(!is_public(IpAddr::V4(network)), "{network}");
            assert!(!is_public(IpAddr::V4(last.into())), "{network}/{length}, its last");
        }
        for address in ["9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1"] {
            assert!(public(address), "{address}");
        }
        for address in
            ["172.15.255.255", "172.32.0.0", "192.167.255.255", "198.17.255.255", "198.20.0.0", "223.255.255.255"]
        {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn an_inside_address_in_another_form_is_inside() {
        for address in [
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(address), "{address}");
        }
        for address in ["2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1"] {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn names_of_the_inside_are_not_looked_up() {
        for name in [
            "localhost",
            "localhost.",
            "rancher-metadata",
            "metadata.google.internal",
            "printer.local",
            "a.localhost",
            "router.home.arpa",
            "",
            ".",
            "unix",
        ] {
            assert!(!is_public_name(name), "{name}");
        }
        assert!(is_public_name("www.example.com") && is_public_name("example.com."));
    }
}
