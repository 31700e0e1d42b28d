//! Bob, to whom everything happens or nothing: an own account and a member of the forum, with a
//! full inbox, logins, mutes and open sockets.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::request::Words;
use crate::keys::Signer;
use crate::socket::{Socket, message};
use crate::world::{Answer, FORUM_SECRET, Login, World};

/// Stands in all that is Bob's to read, and in nothing that anybody else sends.
pub const MARK: &str = "canary.of-bob";
pub const PASSWORD: &str = "the password of bob alone";
/// His other id: what the forum calls him.
pub const ID: &str = "b-7";

pub struct Bob {
    pub desk: Login,
    pub phone: Login,
    /// By the forum's word.
    pub member: Login,
    /// The key of whoever publishes to him.
    key_id: String,
    item_id: String,
    session_id: String,
    setup_token: String,
    pub sockets: [Socket; 2],
}

impl Bob {
    pub async fn settle(world: &World) -> Self {
        let admin = world.admin().await;
        let account = json!({ "username": "bob", "password": PASSWORD, "role": "member" });
        let made = admin.post(world, "/api/v1/accounts", account).await;
        made.expect_status(StatusCode::OK);
        let (desk, phone) = (login(world).await, login(world).await);
        let now = world.clock.now().as_second();
        let claims = json!({ "sub": ID, "name": MARK, "iat": now, "exp": now + 3600 });
        let member = Login {
            token: Signer::secret(FORUM_SECRET.as_bytes()).token(&claims),
        };
        let forum = world.key(&["publish"]).await;
        let key_id = forum.token.split('_').nth(1).expect("an id").to_owned();
        for login in [&desk, &member] {
            // So that "*" would find him.
            login.add_age(world).await;
        }
        fill(world, &forum, &[&desk, &member]).await;
        let first = desk.get(world, "/api/v1/inbox").await.json();
        let sessions = phone.get(world, "/api/v1/me/sessions").await.json();
        let sessions = sessions["items"].as_array().expect("sessions").iter();
        let mut phones = sessions.filter(|session| session["current"] == true);
        let text = |value: &Value| value.as_str().expect("an id").to_owned();
        Self {
            item_id: text(&first["items"][0]["id"]),
            session_id: text(&phones.next().expect("a session")["id"]),
            setup_token: world.setup_token.clone().expect("a token that was used"),
            sockets: [
                Socket::open(world, &desk.token).await,
                Socket::open(world, &member.token).await,
            ],
            desk,
            phone,
            member,
            key_id,
        }
    }

    /// What is his, by the name of the parameter that takes it.
    pub fn words(&self) -> Words {
        let object = json!({ "type": "post", "id": "991" });
        let to = json!(["@bob", ID]);
        let notification = json!({ "to": to, "kind": "like", "title": "t", "key": "like:1" });
        let one = |value: Value| vec![value];
        Words::from([
            (
                "id",
                [&self.item_id, &self.session_id, &self.key_id, "@bob", ID]
                    .map(Value::from)
                    .to_vec(),
            ),
            ("name", one(json!("bob"))),
            ("username", one(json!("bob"))),
            ("password", one(json!("not the password of bob"))),
            ("current", one(json!(PASSWORD))),
            ("new", one(json!("a new password of bob"))),
            (
                "token",
                vec![json!(self.setup_token), json!(self.phone.token)],
            ),
            ("role", one(json!("admin"))),
            ("ttl_s", one(json!(60))),
            ("scopes", one(json!(["admin"]))),
            ("Idempotency-Key", one(json!("call:1"))),
            ("to", one(to.clone())),
            ("users", one(to)),
            ("ids", one(json!([self.item_id]))),
            ("items", one(json!([notification]))),
            ("key", one(json!("like:1"))),
            ("group", one(json!("group:1"))),
            ("kind", one(json!("like"))),
            ("object", one(object)),
            ("object_type", one(json!("post"))),
            ("object_id", one(json!("991"))),
            ("actor", one(json!({ "id": "7" }))),
            ("through", one(json!(99))),
            ("before", one(json!(99))),
            ("limit", one(json!(100))),
            ("state", one(json!("archived"))),
            ("all", one(json!(true))),
            ("secrets", one(json!(false))),
            (
                "muted",
                one(json!({ "kinds": ["like"], "groups": ["group:1"] })),
            ),
            ("title", one(json!("taken"))),
            ("body", one(json!("taken"))),
            ("url", one(json!("/taken"))),
            ("data", one(json!({ "taken": true }))),
            ("transient", one(Value::Null)),
            ("expires_at", one(Value::Null)),
        ])
    }

    /// All that can be known of him, as it is answered.
    pub async fn state(&self, world: &World) -> Vec<String> {
        let mut state = Vec::new();
        for login in [&self.desk, &self.member] {
            for path in [
                "/me",
                "/inbox?limit=100",
                "/inbox?limit=100&state=archived",
                "/inbox/counts",
                "/inbox/preferences",
            ] {
                let answer = login.get(world, &format!("/api/v1{path}")).await;
                state.push(answer.expect_status(StatusCode::OK).text.clone());
            }
        }
        let admin = world.admin().await;
        for (login, path, is_his) in [
            (&self.desk, "/me/sessions", "id"),
            (&admin, "/accounts", "name"),
            (&admin, "/keys", "id"),
        ] {
            let list = login.get(world, &format!("/api/v1{path}")).await.json();
            for item in list["items"].as_array().expect("a list") {
                let mut item = item.clone();
                // A note of when, to the minute.
                item.as_object_mut().expect("one").remove("last_used_at");
                let of_bob = ["bob", &self.key_id]
                    .iter()
                    .any(|his| item[is_his] == **his);
                if path == "/me/sessions" || of_bob {
                    state.push(item.to_string());
                }
            }
        }
        state
    }

    /// Nothing reached his sockets since they were opened, and his password is the old one.
    pub async fn expect_peace(&mut self, world: &World, by: &str) {
        for socket in &mut self.sockets {
            socket.emit("message", json!("end")).await;
            assert_eq!(socket.next().await, message("你好客户端, end"), "{by}");
        }
        login(world).await;
    }
}

async fn login(world: &World) -> Login {
    let body = json!({ "username": "bob", "password": PASSWORD });
    let request = world.request(Method::POST, "/api/v1/login");
    Login::of(&Answer::of(request.header("User-Agent", MARK).json(&body)).await)
}

/// One that is unread, one that is read, one in the archive; a pointer, and mutes.
async fn fill(world: &World, forum: &Login, logins: &[&Login]) {
    for key in ["like:3", "like:2", "like:1"] {
        let said = json!({
            "to": ["@bob", ID], "kind": "like", "title": MARK, "body": MARK, "url": format!("/{MARK}"),
            "actor": { "id": "7", "name": MARK, "avatar": format!("https://a.example/{MARK}") },
            "object": { "type": "post", "id": "991" }, "key": key, "data": { "said": MARK },
            // Of a group only the last: what is read or archived must not open a second one.
            "group": (key == "like:1").then_some("group:1"),
        });
        let request = world.request(Method::POST, "/api/v1/notifications");
        let request = request.bearer_auth(&forum.token).json(&said);
        let call = format!("call:{}", &key[5..]);
        let receipt = Answer::of(request.header("Idempotency-Key", call)).await;
        receipt.expect_status(StatusCode::OK);
    }
    for login in logins {
        let inbox = login.get(world, "/api/v1/inbox").await.json();
        let id = |at: usize| inbox["items"][at]["id"].clone();
        for (act, body) in [
            ("read", json!({ "ids": [id(1)] })),
            ("archive", json!({ "ids": [id(2)] })),
            ("seen", json!({ "through": 2 })),
        ] {
            let path = format!("/api/v1/inbox/{act}");
            let done = login.post(world, &path, body).await;
            done.expect_status(StatusCode::OK);
        }
        let muted = json!({ "muted": { "kinds": [MARK], "groups": [MARK], "actors": [MARK] } });
        let put = login.put(world, "/api/v1/inbox/preferences", muted).await;
        put.expect_status(StatusCode::OK);
    }
}
