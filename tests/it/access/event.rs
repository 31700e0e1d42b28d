//! Whose ears hear what: everything happens to Bob and nobody else hears of it, and whatever a
//! socket may send brings nothing of his.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::victim::{Bob, ID, MARK};
use crate::socket::{Heard, Socket, message};
use crate::world::{Login, PASSWORD, World};

/// What a socket may send, and what it may hear besides.
const SENT: [&str; 3] = ["message", "inbox.sync", "session.refresh"];
const HEARD: [&str; 7] = [
    "message",
    "inbox.added",
    "inbox.updated",
    "inbox.state",
    "inbox.removed",
    "inbox.transient",
    "session.ended",
];

/// The sockets of whoever is not Bob.
struct Strangers(Vec<(&'static str, Socket)>);

impl Strangers {
    async fn of(world: &World) -> Self {
        let (ann, other) = (world.account("ann").await, world.member("a-7"));
        let admin = world.admin().await;
        let mut v2 = Socket::connect_v2(world, &format!("token={}", other.token)).await;
        let mut nobody_v2 = Socket::connect_v2(world, "").await;
        for socket in [&mut v2, &mut nobody_v2] {
            assert_eq!(socket.next().await, message("hello"));
        }
        v2.read_ready().await;
        Self(vec![
            ("ann", Socket::open(world, &ann.token).await),
            ("another of the forum", v2),
            ("an administrator", Socket::open(world, &admin.token).await),
            ("nobody", Socket::open(world, "").await),
            ("nobody, v2", nobody_v2),
        ])
    }

    /// The next thing each hears is the answer to what it says now.
    async fn expect_peace(&mut self) {
        for (who, socket) in &mut self.0 {
            socket.emit("message", json!("end")).await;
            assert_eq!(socket.next().await, message("你好客户端, end"), "{who}");
        }
    }
}

/// Each kind of event, to both of Bob's ids.
async fn everything_happens(world: &World, bob: &Bob) {
    let key = world.key(&["publish", "inbox"]).await;
    let said = |title: &str| json!({ "to": ["@bob", ID], "title": title, "key": "new", "object": { "type": "post", "id": "5" } });
    key.publish(world, said("added")).await;
    key.publish(world, said("updated")).await;
    let mut transient = said(MARK);
    transient["transient"] = true.into();
    transient["key"] = Value::Null;
    key.publish(world, transient).await;
    for login in [&bob.desk, &bob.member] {
        let all = json!({ "all": true });
        let read = login.post(world, "/api/v1/inbox/read", all).await;
        read.expect_status(StatusCode::OK);
        login.add_age(world).await;
    }
    let gone = key.delete(world, "/api/v1/notifications/by-key/new").await;
    gone.expect_status(StatusCode::OK);
    for id in ["@bob", ID] {
        let path = format!("/api/v1/users/{id}/sign-out");
        let out = key.post(world, &path, Value::Null).await;
        out.expect_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn what_happens_to_bob_is_heard_by_bob_alone() {
    let world = World::forum().await;
    let mut bob = Bob::settle(&world).await;
    let mut strangers = Strangers::of(&world).await;
    everything_happens(&world, &bob).await;
    for socket in &mut bob.sockets {
        let mut heard = BTreeSet::new();
        while let Heard::Event(name, _) = socket.next().await {
            heard.insert(name);
        }
        let all = HEARD.map(str::to_owned).into();
        assert_eq!(heard, all, "Bob himself");
    }
    strangers.expect_peace().await;
}

#[tokio::test]
async fn whatever_a_socket_sends_brings_nothing_of_bobs() {
    let world = World::forum().await;
    let mut bob = Bob::settle(&world).await;
    let mut strangers = Strangers::of(&world).await;
    let before = bob.state(&world).await;
    let epoch = bob.sockets[0].ready["epoch"].clone();
    let cursor = json!({ "epoch": epoch, "since": 0 });
    for (who, socket) in &mut strangers.0 {
        let is_nobody = who.starts_with("nobody");
        let synced = socket.ask("inbox.sync", cursor.clone()).await;
        assert!(!synced.to_string().contains(MARK), "{who}: {synced}");
        if is_nobody {
            assert_eq!(synced["error"]["code"], "token_missing", "{who}");
        } else {
            assert_eq!(
                synced["changes"],
                json!([]),
                "{who}: their own, which is empty"
            );
        }
        for token in [&bob.desk.token, &bob.member.token] {
            let refused = socket
                .ask("session.refresh", json!({ "token": token }))
                .await;
            let code = if is_nobody {
                "token_missing"
            } else {
                "wrong_member"
            };
            assert_eq!(refused["error"]["code"], code, "{who}");
        }
    }
    // And as they connect.
    for Login { token } in [world.login("ann", PASSWORD).await, world.member("a-7")] {
        let auth = json!({ "token": token, "epoch": epoch, "since": 0, "user": "@bob" });
        let socket = Socket::open_with(&world, auth).await;
        assert!(!socket.ready.to_string().contains(MARK), "{}", socket.ready);
    }
    bob.expect_peace(&world, "a stranger's socket").await;
    assert_eq!(bob.state(&world).await.len(), before.len() + 1, "one login");

    everything_happens(&world, &bob).await;
    strangers.expect_peace().await;
}

/// An event that is new has to be in the tables above: in the code they are words with a dot.
#[test]
fn every_event_is_in_these_stories() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut named = BTreeSet::from(["message".to_owned()]);
    for file in [
        "live/mod.rs",
        "live/push.rs",
        "live/ear.rs",
        "live/command.rs",
        "domain/inbox/change.rs",
        "domain/event.rs",
    ] {
        let text = fs::read_to_string(src.join(file)).expect("a file");
        let words = text.split('"').skip(1).step_by(2);
        let events =
            words.filter(|word| word.starts_with("inbox.") || word.starts_with("session."));
        named.extend(events.map(ToOwned::to_owned));
        let sent = text.split("socket.on(\"").skip(1);
        for name in sent.filter_map(|rest| rest.split('"').next()) {
            assert!(SENT.contains(&name), "a socket may send {name}");
        }
    }
    let known = SENT.into_iter().chain(HEARD).map(str::to_owned);
    assert_eq!(named, known.collect());
}
