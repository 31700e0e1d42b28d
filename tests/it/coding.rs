//! The forms a file of the web app is sent in: brotli, gzip, plain.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use crate::world::World;

const FILES: [&str; 4] = ["/", "/bell.js", "/client.js", "/api/docs"];

/// What was sent, and how long the body really is.
struct Sent {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("text"))
    }
}

async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &str)]) -> Sent {
    let request = headers
        .iter()
        .fold(world.request(method, path), |request, (name, value)| {
            request.header(*name, *value)
        });
    let response = request.send().await.expect("an answer");
    Sent {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.expect("a body").to_vec(),
    }
}

async fn accepting(world: &World, path: &str, accepted: &str) -> Sent {
    let sent = ask(world, Method::GET, path, &[("Accept-Encoding", accepted)]).await;
    assert_eq!(sent.status, StatusCode::OK, "{path}: {accepted}");
    sent
}

#[tokio::test]
async fn a_file_comes_in_the_smallest_form_the_caller_takes() {
    let world = World::new().await;
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("br", Some("br")),
        ("BR;Q=0.5", Some("br")),
        ("br;q=0, gzip", Some("gzip")),
        ("br ; q=0.000 , gzip ; q=0.1", Some("gzip")),
        ("gzip", Some("gzip")),
        ("*", Some("br")),
        ("br;q=0, *", Some("gzip")),
        ("*;q=0", None),
        ("br;q=0, gzip;q=0, *;q=1", None),
        ("identity", None),
        ("identity;q=0", None),
        ("zstd, brotli", None),
        ("br;q=much", None),
        ("br;level=11", None),
        (",;,", None),
        ("", None),
    ] {
        for path in FILES {
            let sent = accepting(&world, path, accepted).await;
            assert_eq!(
                sent.header("content-encoding"),
                coding,
                "{path}: {accepted}"
            );
        }
    }
    let plain = ask(&world, Method::GET, "/bell.js", &[]).await;
    assert_eq!(plain.header("content-encoding"), None);
}

#[tokio::test]
async fn each_form_has_its_length_its_tag_and_the_type_of_the_file() {
    let world = World::new().await;
    for path in FILES {
        let mut tags = Vec::new();
        let mut lengths = Vec::new();
        let plain = accepting(&world, path, "").await;
        for accepted in ["br", "gzip", ""] {
            let sent = accepting(&world, path, accepted).await;
            let length = sent.body.len().to_string();
            assert_eq!(sent.header("content-length"), Some(length.as_str()));
            for name in ["content-type", "content-security-policy", "cache-control"] {
                assert_eq!(sent.header(name), plain.header(name), "{path}: {name}");
            }
            let vary: Vec<_> = sent.headers.get_all("vary").iter().collect();
            assert!(vary.contains(&&"Accept-Encoding".parse().expect("a value")));

            let head = ask(&world, Method::HEAD, path, &[("Accept-Encoding", accepted)]).await;
            assert!(head.body.is_empty(), "{path}");
            for name in ["content-length", "content-encoding", "etag", "content-type"] {
                assert_eq!(head.header(name), sent.header(name), "{path}: {name}");
            }
            tags.push(sent.header("etag").expect("a tag").to_owned());
            lengths.push(sent.body.len());
        }
        assert!(lengths.is_sorted_by(|a, b| a < b), "{path}: {lengths:?}");
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 3, "{path}: {tags:?}");
    }
}

#[tokio::test]
async fn who_has_a_form_is_not_sent_it_again() {
    let world = World::new().await;
    for accepted in ["br", "gzip", ""] {
        let first = accepting(&world, "/bell.js", accepted).await;
        let tag = first.header("etag").expect("a tag");
        for known in [
            tag.to_owned(),
            format!("W/{tag}"),
            format!("\"another\", {tag}"),
            "*".to_owned(),
        ] {
            for (coding, status) in [
                (accepted, 304),
                (["br", "gzip"][usize::from(accepted == "br")], 200),
            ] {
                let headers = [("Accept-Encoding", coding), ("If-None-Match", &known)];
                let sent = ask(&world, Method::GET, "/bell.js", &headers).await;
                // Any form will do for who asks by `*`.
                let status = if known == "*" { 304 } else { status };
                assert_eq!(sent.status, status, "{coding}: {known}");
                assert_eq!(sent.body.is_empty(), status == 304);
                assert!(
                    sent.headers
                        .get_all("vary")
                        .iter()
                        .any(|vary| vary == "Accept-Encoding")
                );
            }
        }
        let other = [
            ("Accept-Encoding", accepted),
            ("If-None-Match", "\"another\""),
        ];
        let sent = ask(&world, Method::GET, "/bell.js", &other).await;
        assert_eq!(sent.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_form_has_no_address_of_its_own() {
    let world = World::new().await;
    for path in ["/bell.js.br", "/bell.js.gz", "/index.html.br"] {
        let sent = ask(&world, Method::GET, path, &[]).await;
        assert_eq!(sent.status, StatusCode::NOT_FOUND, "{path}");
    }
}
