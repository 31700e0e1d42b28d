//! A small client of an inbox that keeps to the contract and trusts nobody: a number that is not
//! the next one is a failure, not a reason to ask again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::socket::{Heard, Socket, message};
use crate::world::{Login, World};

/// What a client knows of an inbox.
#[derive(Debug, Clone, Default)]
pub struct View {
    pub epoch: String,
    pub seq: u64,
    pub counts: Value,
    /// By id.
    pub items: BTreeMap<String, Value>,
}

impl View {
    /// The whole inbox over HTTP.
    pub async fn load(world: &World, login: &Login) -> Self {
        let mut view = Self::default();
        for state in ["all", "archived"] {
            let mut before = String::new();
            loop {
                let path = format!("/api/v1/inbox?limit=20&state={state}{before}");
                let page = login.get(world, &path).await.json();
                view.epoch = text(&page["epoch"]);
                view.seq = page["seq"].as_u64().expect("a number");
                view.counts = page["counts"].clone();
                for item in page["items"].as_array().expect("items") {
                    view.items.insert(text(&item["id"]), item.clone());
                }
                match page["next"].as_u64() {
                    Some(next) => before = format!("&before={next}"),
                    None => break,
                }
            }
        }
        view
    }

    pub fn cursor(&self) -> Value {
        json!({ "epoch": self.epoch, "since": self.seq })
    }

    /// What `ready` or the answer to `inbox.sync` told again, if it told the whole of it.
    pub fn recover(&mut self, ready: &Value) -> bool {
        let changes = ready["changes"].as_array().expect("changes");
        if ready["recovered"] == false {
            assert!(changes.is_empty(), "a partial replay: {ready}");
            return false;
        }
        for change in changes {
            self.apply(change["type"].as_str().expect("a type"), change);
        }
        assert_eq!(ready["seq"], self.seq, "the replay ends early: {ready}");
        self.counts = ready["counts"].clone();
        true
    }

    /// The next change, told live or again.
    pub fn apply(&mut self, name: &str, change: &Value) {
        assert_eq!(change["seq"], self.seq + 1, "{name} {change}");
        self.seq += 1;
        match name {
            "inbox.added" | "inbox.updated" => {
                let item = &change["item"];
                self.items.insert(text(&item["id"]), item.clone());
            }
            "inbox.removed" => {
                for id in change["ids"].as_array().expect("ids") {
                    self.items.remove(&text(id));
                }
            }
            "inbox.state" => {
                for item in self.items.values_mut() {
                    if is_meant(change, item) {
                        put(change, item);
                    }
                }
            }
            other => panic!("{other} {change}"),
        }
    }

    /// Newest first, without the times that the model does not know.
    pub fn shown(&self) -> Vec<Value> {
        let mut items: Vec<_> = self.items.values().cloned().map(timeless).collect();
        items.sort_by_key(|item| std::cmp::Reverse(item["seq"].as_u64()));
        items
    }
}

fn is_meant(change: &Value, item: &Value) -> bool {
    match change["ids"].as_array() {
        Some(ids) => ids.contains(&item["id"]),
        None => item["seq"].as_u64() <= change["through"].as_u64(),
    }
}

fn put(change: &Value, item: &mut Value) {
    if let Some(is_archived) = change["archived"].as_bool() {
        item["archived"] = is_archived.into();
    }
    match change["read"].as_bool() {
        Some(true) => item["read"] = true.into(),
        Some(false) if item["archived"] == false => item["read"] = false.into(),
        _ => {}
    }
}

pub fn timeless(mut item: Value) -> Value {
    let fields = item.as_object_mut().expect("an item");
    for time in ["created_at", "updated_at", "expires_at"] {
        fields.remove(time).expect(time);
    }
    item
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// A device: what it knows, and its socket while it is online.
#[derive(Default)]
pub struct Client {
    pub view: View,
    pub socket: Option<Socket>,
}

impl Client {
    /// Comes in with this in `auth` beside the token. Whether it was told what it missed.
    pub async fn connect(&mut self, world: &World, login: &Login, cursor: Option<Value>) -> bool {
        let mut auth = cursor.unwrap_or_else(|| json!({}));
        auth["token"] = login.token.as_str().into();
        self.take(world, login, Socket::open_with(world, auth).await)
            .await
    }

    /// The same as a v2 client, with its own cursor.
    pub async fn connect_v2(&mut self, world: &World, login: &Login) -> bool {
        let View { epoch, seq, .. } = &self.view;
        let query = format!("token={}&epoch={epoch}&since={seq}", login.token);
        let mut socket = Socket::connect_v2(world, &query).await;
        assert_eq!(socket.next().await, message("hello"));
        socket.read_ready().await;
        self.take(world, login, socket).await
    }

    async fn take(&mut self, world: &World, login: &Login, socket: Socket) -> bool {
        let is_told = self.view.recover(&socket.ready);
        if !is_told {
            self.view = View::load(world, login).await;
            let View { epoch, seq, .. } = &self.view;
            let ready = &socket.ready;
            assert_eq!(
                (&ready["epoch"], &ready["seq"]),
                (&json!(epoch), &json!(seq))
            );
        }
        assert_eq!(socket.ready["counts"], self.view.counts);
        self.socket = Some(socket);
        is_told
    }

    /// The next event of the inbox, applied to what it knows; its name and its body.
    pub async fn hear(&mut self) -> (String, Value) {
        let socket = self.socket.as_mut().expect("a device that is online");
        match socket.next().await {
            Heard::Event(name, body) if name == "inbox.transient" => (name, body),
            Heard::Event(name, body) => {
                self.view.apply(&name, &body);
                self.view.counts = body["counts"].clone();
                (name, body)
            }
            other => panic!("{other:?} at {}", self.view.seq),
        }
    }
}
