//! Where a webhook may lead: only to what is public. Names are looked up here, every address that comes back is checked, and the
//! connection goes to the addresses that were checked. Operators may allow all others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Why nothing is posted to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    #[error("must begin with https://")]
    NotHttps,
    #[error("leads to an address that is not public")]
    NotPublic,
}

/// Networks of version 4 that are not public, from IANA's table of special purposes.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Of version 6 only this network is public at all, without those below.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Among them those that carry addresses of version 4: nobody looks where these lead.
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is one that everybody can reach.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|(network, bits)| {
            let shift = 32 - bits;
            u32::from(address) >> shift == u32::from(*network) >> shift
        }),
        IpAddr::V6(address) => {
            let is_in = |(network, bits): &(Ipv6Addr, u32)| {
                let shift = 128 - bits;
                u128::from(address) >> shift == u128::from(*network) >> shift
            };
            is_in(&GLOBAL_V6) && !SPECIAL_V6.iter().any(is_in)
        }
    }
}

/// Checks what can be told of an address without looking its name up: the scheme, and an IP address in whatever spelling.
pub fn check(url: &Url) -> Result<(), Forbidden> {
    if url.scheme() != "https" {
        return Err(Forbidden::NotHttps);
    }
    let is_public = match url.host() {
        Some(Host::Ipv4(address)) => is_public(address.into()),
        Some(Host::Ipv6(address)) => is_public(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            !(name == "localhost" || name.ends_with(".localhost"))
        }
        None => false,
    };
    if is_public { Ok(()) } else { Err(Forbidden::NotPublic) }
}

/// The addresses of a name, if all of them are public: one that is not may be the one that is connected to.
fn checked(addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
    if addresses.iter().all(|address| is_public(address.ip())) { Ok(addresses) } else { Err(Forbidden::NotPublic) }
}

/// Looks names up, and lets nothing pass that is not public.
#[derive(Clone, Copy, Debug)]
pub struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let addresses: Addrs = Box::new(checked(found)?.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass_in_any_spelling() {
        let forbidden = [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://017700000001/",
            "https://0.0.0.0/",
            "https://0/",
            "https://10.0.0.1/",
            "https://10.255.255.255/",
            "https://100.64.0.1/",
            "https://100.127.255.255/",
            "https://169.254.169.254/",
            "https://169.254.170.2/",
            "https://172.16.0.1/",
            "https://172.31.255.255/",
            "https://192.0.0.8/",
            "https://192.0.2.1/",
            "https://192.88.99.1/",
            "https://192.168.1.1/",
            "https://198.18.0.1/",
            "https://198.19.255.255/",
            "https://198.51.100.7/",
            "https://203.0.113.7/",
            "https://224.0.0.1/",
            "https://239.255.255.255/",
            "https://240.0.0.1/",
            "https://255.255.255.255/",
            "https://[::]/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[fc00::1]/",
            "https://[fd00:ec2::254]/",
            "https://[fe80::1]/",
            "https://[fec0::1]/",
            "https://[ff02::1]/",
            "https://[2001:db8::1]/",
            "https://[2001::1]/",
            "https://[2002:7f00:1::]/",
            "https://[100::1]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://[::127.0.0.1]/",
            "https://[3fff::1]/",
        ];
        for text in forbidden {
            let url = Url::parse(text).expect(text);
            assert_eq!(check(&url), Err(Forbidden::NotPublic), "{text} is {:?}", url.host());
        }
        for text in ["http://shop.example.com/", "ftp://shop.example.com/", "http://127.0.0.1/"] {
            assert_eq!(check(&Url::parse(text).expect(text)), Err(Forbidden::NotHttps), "{text}");
        }
        for text in [
            "https://shop.example.com/hooks",
            "https://8.8.8.8/",
            "https://100.128.0.1/",
            "https://172.32.0.1/",
            "https://198.20.0.1/",
            "https://[2606:4700::1111]/",
            "https://[2a00:1450::1]/",
            "https://[::ffff:8.8.8.8]/",
        ] {
            assert_eq!(check(&Url::parse(text).expect(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_name_with_one_address_that_is_not_public_leads_nowhere() {
        let public: SocketAddr = "8.8.8.8:0".parse().expect("an address");
        let private: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        assert_eq!(checked(vec![public]), Ok(vec![public]));
        for addresses in [vec![private], vec![public, private], vec![private, public]] {
            assert_eq!(checked(addresses), Err(Forbidden::NotPublic));
        }
    }
}
