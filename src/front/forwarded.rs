//! Who is really asking, when a proxy stands between.

use std::net::{IpAddr, SocketAddr};

use hyper::header::HeaderMap;

/// Who is really asking: the peer, or, when that is a trusted proxy, the rightmost hop of
/// `X-Forwarded-For` that is none. Everything left of that is the client's own word.
pub fn client_of(peer: IpAddr, headers: &HeaderMap, is_trusted: &dyn Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    // Bytes that are no text stay a hop that is no address, and end the walk: a line that was
    // passed over would let an older, forged one be believed.
    for line in lines {
        for hop in String::from_utf8_lossy(line.as_bytes()).rsplit(',') {
            if !is_trusted(client) {
                return client;
            }
            match address(hop.trim()) {
                Some(address) => client = address.to_canonical(),
                None => return client,
            }
        }
    }
    client
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse().ok().or_else(with_port).or_else(in_brackets)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(
                "x-forwarded-for",
                HeaderValue::from_bytes(line.as_bytes()).expect("a header"),
            );
        }
        let trusted: Vec<IpAddr> = trusted
            .iter()
            .map(|one| one.parse().expect("an address"))
            .collect();
        client_of(peer.parse().expect("an address"), &headers, &move |one| {
            trusted.contains(&one)
        })
        .to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"], &[]), "203.0.113.9");
        assert_eq!(
            client("127.0.0.1", &["198.51.100.1"], &["127.0.0.1"]),
            "198.51.100.1"
        );
        assert_eq!(client("127.0.0.1", &[], &["127.0.0.1"]), "127.0.0.1");
    }

    #[test]
    fn the_rightmost_untrusted_hop_is_the_client() {
        let trusted = ["127.0.0.1", "10.0.0.2"];
        assert_eq!(
            client("127.0.0.1", &["6.6.6.6, 198.51.100.1, 10.0.0.2"], &trusted),
            "198.51.100.1"
        );
        assert_eq!(
            client("127.0.0.1", &["6.6.6.6", "198.51.100.1"], &trusted),
            "198.51.100.1"
        );
        assert_eq!(
            client("127.0.0.1", &["6.6.6.6, junk, 10.0.0.2"], &trusted),
            "10.0.0.2"
        );
        assert_eq!(
            client("127.0.0.1", &["[2001:db8::1]:443"], &trusted),
            "2001:db8::1"
        );
        assert_eq!(
            client("::ffff:127.0.0.1", &["198.51.100.1:5000"], &trusted),
            "198.51.100.1"
        );
    }

    #[test]
    fn a_line_that_is_no_text_is_not_passed_over() {
        let trusted = ["127.0.0.1"];
        assert_eq!(
            client("127.0.0.1", &["6.6.6.6", "\u{e9}, 198.51.100.3"], &trusted),
            "198.51.100.3"
        );
        assert_eq!(
            client("127.0.0.1", &["6.6.6.6", "\u{e9}"], &trusted),
            "127.0.0.1"
        );
    }

    /// Bytes as a client may send them in a header, and such as look like hops.
    fn line() -> impl Strategy<Value = Vec<u8>> {
        let hops = "[0-9a-f.:, \\[\\]]{0,40}|(10\\.0\\.0\\.[12], ?){0,3}198\\.51\\.100\\.[0-9]";
        let any = proptest::collection::vec(any::<u8>(), 0..40);
        prop_oneof![hops.prop_map(String::into_bytes), any]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever a client says first, the proxies' own words go before it.
        #[test]
        fn nothing_a_client_says_changes_who_it_is(said in proptest::collection::vec(line(), 0..3)) {
            let mut headers = HeaderMap::new();
            for line in said {
                if let Ok(line) = HeaderValue::from_bytes(&line) {
                    headers.append("x-forwarded-for", line);
                }
            }
            let peer: IpAddr = "198.51.100.7".parse().expect("an address");
            prop_assert_eq!(client_of(peer, &headers, &|_| false), peer);
            let proxy: IpAddr = "10.0.0.1".parse().expect("an address");
            headers.append("x-forwarded-for", HeaderValue::from_static("198.51.100.7, 10.0.0.2"));
            let is_trusted = |one: IpAddr| one.to_string().starts_with("10.0.0.");
            prop_assert_eq!(client_of(proxy, &headers, &is_trusted), peer);
        }
    }
}
