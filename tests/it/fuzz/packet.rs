//! Packets of Engine.IO and Socket.IO, on each way a client may come.

use std::fmt;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Client, StatusCode};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::corpus::{self, Bytes};
use super::dice::Dice;
use super::{Duration, Place};
use crate::world::SOON;

const PACKETS: &str = include_str!("../../corpus/packet.txt");
/// A poll with nothing to say would wait for the next ping.
const POLL_TIME_MAX: Duration = Duration::from_millis(30);

/// How they come.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// As texts of a WebSocket, where they are text.
    Text,
    Binary,
    Polling,
    /// Polling first, then a WebSocket with the session's id.
    Upgrade,
    /// A second WebSocket and a poll on a session that has one.
    Twice,
}

const WAYS: [Way; 5] = [
    Way::Text,
    Way::Binary,
    Way::Polling,
    Way::Upgrade,
    Way::Twice,
];

/// What one client does.
struct Visit {
    way: Way,
    /// 3: v2 clients, and 4: those since.
    protocol: u8,
    /// Whether it has a member's token.
    is_member: bool,
    packets: Vec<Bytes>,
    close: u16,
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            way,
            protocol,
            is_member,
            close,
            ..
        } = self;
        write!(f, "{way:?} EIO={protocol} member={is_member} close={close}")?;
        self.packets
            .iter()
            .try_for_each(|packet| write!(f, "\n    {packet}"))
    }
}

#[tokio::test]
async fn packets_of_any_kind_harm_nobody() {
    let mut place = Place::new().await;
    let known = corpus::read(PACKETS);
    let parts: Vec<&[u8]> = known.iter().map(|bytes| bytes.0.as_slice()).collect();
    let each = known.iter().flat_map(|packet| {
        let ways = WAYS.into_iter().flat_map(|way| [(way, 3), (way, 4)]);
        ways.map(|(way, protocol)| Visit {
            way,
            protocol,
            is_member: protocol == 4,
            packets: vec![packet.clone()],
            close: 1000,
        })
    });
    let random = |dice: &mut Dice| Visit {
        way: *dice.pick(&WAYS),
        protocol: *dice.pick(&[3, 4]),
        is_member: dice.below(2) == 0,
        packets: (0..=dice.below(6))
            .map(|_| {
                let mut packet = dice.pick(&known).0.clone();
                dice.mutate(&mut packet, &parts);
                Bytes(packet)
            })
            .collect(),
        close: *dice.pick(&[1000, 1001, 1005, 1006, 1015, 999, 0, 4999, 65535]),
    };
    place.play(each, random, visit).await;
    place.end().await;
}

async fn visit(place: &Place, visit: &Visit) {
    let address = place.address();
    let token = if visit.is_member {
        place.eve.token.as_str()
    } else {
        ""
    };
    let query = format!("EIO={}&token={token}", visit.protocol);
    let url = |scheme: &str, more: &str| format!("{scheme}://{address}/socket.io/?{query}&{more}");
    let auth = format!("40{{\"token\":\"{token}\"}}");
    let hello: &[String] = if visit.protocol == 4 { &[auth] } else { &[] };
    let by_websocket =
        async |url: String, hello: &[String], is_binary: bool| match connect_async(url).await {
            Ok((stream, _)) => {
                let texts = hello.iter().map(Message::text);
                let packets = visit
                    .packets
                    .iter()
                    .map(|packet| match str::from_utf8(&packet.0) {
                        Ok(text) if !is_binary => Message::text(text),
                        _ => Message::binary(packet.0.clone()),
                    });
                speak(stream, texts.chain(packets), visit.close).await;
            }
            Err(Error::Http(refused)) => {
                assert!(!refused.status().is_server_error(), "{refused:?}");
            }
            Err(error) => panic!("{error}"),
        };
    let session = match visit.way {
        Way::Text | Way::Binary => {
            let is_binary = matches!(visit.way, Way::Binary);
            return by_websocket(url("ws", "transport=websocket"), hello, is_binary).await;
        }
        Way::Polling | Way::Upgrade | Way::Twice => {
            open(&place.http, &url("http", "transport=polling")).await
        }
    };
    let poll = url("http", &format!("transport=polling&sid={session}"));
    let upgrade = url("ws", &format!("transport=websocket&sid={session}"));
    match visit.way {
        Way::Polling => {
            for body in hello
                .iter()
                .map(String::as_bytes)
                .chain(visit.packets.iter().map(|p| p.0.as_slice()))
            {
                post(&place.http, &poll, framed(visit.protocol, body)).await;
            }
            // As it is as well: what frames it may be the nonsense.
            post(&place.http, &poll, visit.packets[0].0.clone()).await;
        }
        Way::Upgrade => by_websocket(upgrade, &["2probe".to_owned(), "5".to_owned()], false).await,
        _ => {
            let probe = ["2probe".to_owned()];
            let both = by_websocket(upgrade.clone(), &probe, false);
            tokio::join!(
                both,
                by_websocket(upgrade, &[], true),
                look(&place.http, &poll)
            );
        }
    }
    look(&place.http, &poll).await;
    post(&place.http, &poll, framed(visit.protocol, b"1")).await;
}

/// A payload of one packet, as the protocol frames it.
fn framed(protocol: u8, packet: &[u8]) -> Vec<u8> {
    if protocol == 4 {
        return packet.to_vec();
    }
    let characters = String::from_utf8_lossy(packet).chars().count();
    [format!("{characters}:").as_bytes(), packet].concat()
}

/// Says all this, then that it goes, and hears the rest.
async fn speak<S>(mut stream: S, messages: impl Iterator<Item = Message>, close: u16)
where
    S: futures_util::Sink<Message> + futures_util::Stream + Unpin,
{
    let close = Message::Close(Some(CloseFrame {
        code: close.into(),
        reason: "".into(),
    }));
    for message in messages.chain([close]) {
        // One that was closed for what it said says no more.
        if stream.send(message).await.is_err() {
            break;
        }
    }
    let rest = async { while stream.next().await.is_some() {} };
    tokio::time::timeout(SOON, rest)
        .await
        .expect("it ends when the client goes");
}

async fn open(http: &Client, url: &str) -> String {
    let answer = http.get(url).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.expect("a body");
    let session = text
        .split("\"sid\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    session.expect("a session").to_owned()
}

async fn post(http: &Client, url: &str, body: Vec<u8>) {
    let request = http
        .post(url)
        .header("Content-Type", "text/plain;charset=UTF-8")
        .body(body);
    let answer = request.send().await.expect("an answer");
    assert!(!answer.status().is_server_error(), "{answer:?}");
}

/// Polls for a moment.
async fn look(http: &Client, url: &str) {
    let polled = tokio::time::timeout(POLL_TIME_MAX, http.get(url).send()).await;
    if let Ok(answer) = polled {
        let answer = answer.expect("an answer");
        assert!(!answer.status().is_server_error(), "{answer:?}");
    }
}
