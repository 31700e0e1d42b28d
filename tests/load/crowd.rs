//! What a crowd does to a server: each act is one person's or the forum's, and checks its answers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep};

use crate::process::{self, Process};
use crate::socket::{Heard, Socket};
use crate::world::{Answer, FORUM_SECRET, Host, SOON, forum_token};

const MEMBERS: u32 = 400;
/// Items of each, after which the oldest goes.
const ITEMS: u32 = 40;
/// Changes in each one's log, likewise.
const CHANGES: u32 = 100;
const ACCOUNTS: u32 = 4;
/// Members who are filled at once.
const FILLED: usize = 25;
/// Members who leave the forum for good, and whose ids are given to others.
const GUESTS: u32 = 10;

/// What is known from outside, and how often each kind of act was done.
pub struct Crowd {
    http: Client,
    server: std::net::SocketAddr,
    key: String,
    /// Names and passwords.
    accounts: Vec<(String, String)>,
    /// Where each member last was.
    cursors: Mutex<HashMap<u32, (String, u64)>>,
    /// For handles that nobody else has.
    next: AtomicU64,
    done: [AtomicU64; Act::ALL.len()],
    faults: AtomicUsize,
}

/// What may happen next, by its weight.
#[derive(Debug, Clone, Copy)]
enum Act {
    Publish,
    Retract,
    Visit,
    Stay,
    Poll,
    Vanish,
    Stall,
    Login,
    Stranger,
    Leave,
}

impl Act {
    /// Of 100. A stay lasts a minute, so that some hundred members are there at any time.
    const ALL: [(Self, u32); 10] = [
        (Self::Publish, 36),
        (Self::Retract, 4),
        (Self::Visit, 24),
        (Self::Stay, 8),
        (Self::Poll, 8),
        (Self::Vanish, 4),
        (Self::Stall, 1),
        (Self::Login, 3),
        (Self::Stranger, 11),
        (Self::Leave, 1),
    ];

    fn any() -> Self {
        let mut left = below(100);
        for (act, weight) in Self::ALL {
            if left < weight {
                return act;
            }
            left -= weight;
        }
        Self::Publish
    }
}

impl Host for Crowd {
    fn address(&self) -> std::net::SocketAddr {
        self.server
    }
}

/// A server whose inboxes hold little, and a crowd that knows its way in.
pub fn start(data: &Path) -> (Process, Arc<Crowd>) {
    let names = (0..ACCOUNTS).map(|n| format!("account{n}"));
    let accounts = names.map(|name| {
        let password = process::add(data, &name);
        (name, password)
    });
    let accounts = accounts.collect();
    let key = process::key(data, "publish,presence,inbox");
    let (items, changes) = (ITEMS.to_string(), CHANGES.to_string());
    let arguments = [
        "--forum-secret",
        FORUM_SECRET,
        "--inbox-items-max",
        &items,
        "--log-changes-max",
        &changes,
    ];
    let server = Process::start(data, &arguments);
    // The server closes what idles for 10 s; a request sent just then would get no answer.
    let http = Client::builder()
        .timeout(SOON)
        .pool_idle_timeout(Duration::from_secs(5));
    let crowd = Crowd {
        http: http.build().expect("an HTTP client"),
        server: server.address,
        key,
        accounts,
        cursors: Mutex::default(),
        next: AtomicU64::new(0),
        done: Default::default(),
        faults: AtomicUsize::new(0),
    };
    (server, Arc::new(crowd))
}

impl Crowd {
    /// Fills every inbox and every log.
    pub async fn fill(&self) {
        let everybody: Vec<_> = (0..MEMBERS).map(|who| who.to_string()).collect();
        // Half of them take a number of their own. In small commits: one of all members at once
        // would leave a file with more room than anything after it needs.
        for _ in 0..2 * CHANGES {
            for some in everybody.chunks(FILLED) {
                self.publish(json!(some)).await;
            }
        }
    }

    /// Sockets of all members.
    pub async fn sockets(&self) -> u64 {
        let users: Vec<_> = (0..MEMBERS).map(|who| who.to_string()).collect();
        let body = json!({ "users": users });
        let answer = self.forum(Method::POST, "/presence", Some(body)).await;
        let users = answer["users"].as_object().expect("users");
        users
            .values()
            .filter_map(|user| user["sockets"].as_u64())
            .sum()
    }

    pub fn faults(&self) -> usize {
        self.faults.load(Ordering::Relaxed)
    }

    /// Counts an act that came to something else than it should.
    pub fn ended(&self, done: &Result<(), JoinError>) {
        if let Err(error) = done {
            eprintln!("{error}");
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn print(&self) {
        let done = Act::ALL.iter().zip(&self.done);
        let done = done.map(|((act, _), done)| format!("{} {act:?}", done.load(Ordering::Relaxed)));
        println!("{}", done.collect::<Vec<_>>().join(", "));
    }

    pub async fn act(self: Arc<Self>) {
        let act = Act::any();
        match act {
            Act::Publish => self.publish(audience()).await,
            Act::Retract => self.retract().await,
            Act::Visit => self.visit().await,
            Act::Stay => self.stay().await,
            Act::Poll => self.poll().await,
            Act::Vanish => self.vanish().await,
            Act::Stall => self.stall().await,
            Act::Login => self.login().await,
            Act::Stranger => self.stranger().await,
            Act::Leave => self.leave().await,
        }
        self.done[act as usize].fetch_add(1, Ordering::Relaxed);
    }

    async fn publish(&self, to: Value) {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let actor = below(50);
        let kind = ["like", "reply", "mention"][below(3) as usize];
        let mut said = json!({
            "to": to, "kind": kind,
            "title": format!("Bob {next} replied to your post"),
            "body": "So it goes. ".repeat(1 + below(40) as usize),
            "url": format!("https://forum.example/t/{next}"),
            "actor": { "id": actor.to_string(), "name": format!("Bob {actor}") },
            "object": { "type": "post", "id": below(200).to_string() },
        });
        match below(8) {
            0 | 1 => said["group"] = json!(format!("like:{}", below(100))),
            2 => said["key"] = json!(format!("key:{}", below(100))),
            3 => said["expires_at"] = json!(rfc3339_in(1 + below(60))),
            4 => said["transient"] = json!(true),
            _ => {}
        }
        self.forum(Method::POST, "/notifications", Some(said)).await;
    }

    async fn retract(&self) {
        let number = below(100);
        let path = match below(3) {
            0 => format!("/notifications/by-key/key:{number}"),
            1 => format!("/notifications?object_type=post&object_id={number}"),
            _ => format!("/users/{}/read", below(MEMBERS)),
        };
        let (method, body) = match path.strip_suffix("/read") {
            Some(_) => (
                Method::POST,
                Some(json!({ "object": { "type": "post", "id": number.to_string() } })),
            ),
            None => (Method::DELETE, None),
        };
        self.forum(method, &path, body).await;
    }

    /// Comes by its cursor, looks, reads some, and closes the tab.
    async fn visit(&self) {
        let who = below(MEMBERS);
        let mut socket = self.enter(who).await;
        let token = token(who);
        let page = self
            .ask(Method::GET, "/inbox?limit=20", &token, None, &[200])
            .await;
        let items = page["items"].as_array().expect("items");
        self.listen(who, &mut socket, Duration::from_millis(below(4000).into()))
            .await;
        let ids: Vec<_> = items
            .iter()
            .take(3)
            .map(|item| item["id"].clone())
            .collect();
        let (path, body) = match below(6) {
            0 => ("/inbox/archive", json!({ "ids": ids })),
            1 => ("/inbox/seen", json!({ "through": page["seq"] })),
            2 => ("/inbox/read", json!({ "all": true })),
            3 => ("/inbox/unread", json!({ "ids": ids })),
            _ => ("/inbox/read", json!({ "ids": ids })),
        };
        self.ask(Method::POST, path, &token, Some(body), &[200])
            .await;
        if let Some(id) = ids
            .first()
            .and_then(Value::as_str)
            .filter(|_| below(4) == 0)
        {
            // Something newer may have displaced it meanwhile.
            self.ask(
                Method::DELETE,
                &format!("/inbox/{id}"),
                &token,
                None,
                &[200, 404],
            )
            .await;
        }
        let muted =
            json!({ "muted": { "kinds": [], "groups": [], "actors": [below(50).to_string()] } });
        if below(10) == 0 {
            self.ask(
                Method::PUT,
                "/inbox/preferences",
                &token,
                Some(muted),
                &[200],
            )
            .await;
        }
        if below(2) == 0 {
            socket.send("41".to_owned()).await;
            socket.within(Duration::from_secs(1)).await;
        }
    }

    /// Leaves a tab open for a minute and speaks now and then.
    async fn stay(&self) {
        let who = below(MEMBERS);
        let mut socket = self.enter(who).await;
        for _ in 0..6 {
            self.listen(who, &mut socket, Duration::from_secs(10)).await;
            socket.emit("message", json!("still here")).await;
        }
    }

    /// Hears what there is by long polling, and stops asking without a word.
    async fn poll(&self) {
        let who = below(MEMBERS);
        let url = "/socket.io/?EIO=4&transport=polling";
        let open = self.send(self.http.get(self.url(url)), &[200]).await;
        let open: Value = serde_json::from_str(&open.text[1..]).expect("an open packet");
        let path = self.url(&format!(
            "{url}&sid={}",
            open["sid"].as_str().expect("an id")
        ));
        let connect = format!("40{}", json!({ "token": token(who) }));
        self.send(self.http.post(&path).body(connect), &[200]).await;
        let mut heard = String::new();
        while !heard.contains("ready") {
            heard += &self.send(self.http.get(&path), &[200]).await.text;
        }
        if below(2) == 0 {
            self.send(self.http.post(&path).body("1"), &[200]).await;
        }
    }

    /// Is there, and then is not: the train went into a tunnel.
    async fn vanish(&self) {
        let _socket = self.enter(below(MEMBERS)).await;
        sleep(Duration::from_mins(1)).await;
    }

    /// Asks and asks and does not read the answers.
    async fn stall(&self) {
        let mut socket = self.enter(below(MEMBERS)).await;
        let echo = format!(r#"42["message","{}"]"#, "x".repeat(15_000));
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) && socket.try_send(echo.clone()).await {
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn login(&self) {
        let (name, password) = &self.accounts[below(ACCOUNTS) as usize];
        // Guesses are few: an address has 100 in 15 minutes.
        let is_guess = below(20) == 0;
        let password = if is_guess { "a wrong guess" } else { password };
        let body = json!({ "username": name, "password": password });
        let request = self.http.post(self.url("/api/v1/login")).json(&body);
        if is_guess {
            self.send(request, &[401]).await;
            return;
        }
        let login = self.send(request, &[200]).await.json();
        let token = login["token"].as_str().expect("a token");
        let mut socket = Socket::open(self, token).await;
        self.ask(Method::POST, "/me/age", token, None, &[200]).await;
        hear(&mut socket, "message").await;
        self.ask(Method::POST, "/logout", token, None, &[200]).await;
        hear(&mut socket, "session.ended").await;
    }

    /// Nobody anyone knows: looks, tries a token, sends nonsense, says nothing, or asks and goes.
    async fn stranger(&self) {
        match below(6) {
            0 => {
                let mut socket = Socket::open(self, "").await;
                socket.emit("message", json!("hello")).await;
                socket.event("message").await;
            }
            1 => {
                let mut socket = Socket::connect(self, json!({ "token": "forged" })).await;
                assert!(matches!(socket.next().await, Heard::Refused(_)));
            }
            2 => {
                let mut socket = Socket::open(self, "").await;
                socket.send("42[".to_owned()).await;
                socket.within(Duration::from_secs(5)).await;
            }
            3 => {
                let path = "/socket.io/?EIO=4&transport=polling";
                self.send(self.http.get(self.url(path)), &[200]).await;
            }
            4 => {
                let mut stream = TcpStream::connect(self.server).await.expect("a connection");
                stream
                    .write_all(b"GET / HTTP/1.1\r\nHo")
                    .await
                    .expect("half a head");
                sleep(Duration::from_millis(below(12_000).into())).await;
            }
            _ => {
                self.send(self.http.get(self.url("/")), &[200]).await;
            }
        }
    }

    /// A guest comes, is notified, is signed out and forgotten.
    async fn leave(&self) {
        let guest = format!("guest{}", below(GUESTS));
        self.publish(json!(guest)).await;
        let path = format!("/users/{guest}");
        // One who was told in passing only, or has just been forgotten, is nobody.
        let may = &[200, 404];
        let out = format!("{path}/sign-out");
        self.ask(Method::POST, &out, &self.key, None, may).await;
        self.ask(Method::DELETE, &path, &self.key, None, may).await;
    }

    /// Connects where the member left off.
    async fn enter(&self, who: u32) -> Socket {
        let cursor = self.cursors.lock().expect("a lock").get(&who).cloned();
        let mut auth = json!({ "token": token(who) });
        if let Some((epoch, since)) = cursor {
            auth["epoch"] = json!(epoch);
            auth["since"] = json!(since);
        }
        let socket = Socket::open_with(self, auth).await;
        let epoch = socket.ready["epoch"].as_str().expect("an epoch").to_owned();
        self.note(who, epoch, &socket.ready["seq"]);
        socket
    }

    async fn listen(&self, who: u32, socket: &mut Socket, time: Duration) {
        let epoch = socket.ready["epoch"].as_str().expect("an epoch").to_owned();
        let until = Instant::now() + time;
        while let Some(heard) = socket
            .within(until.saturating_duration_since(Instant::now()))
            .await
        {
            match heard {
                Heard::Event(_, event) => self.note(who, epoch.clone(), &event["seq"]),
                other => panic!("{other:?} while listening"),
            }
        }
    }

    fn note(&self, who: u32, epoch: String, seq: &Value) {
        if let Some(seq) = seq.as_u64() {
            self.cursors
                .lock()
                .expect("a lock")
                .insert(who, (epoch, seq));
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server)
    }

    async fn forum(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        self.ask(method, path, &self.key, body, &[200]).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<Value>,
        expected: &[u16],
    ) -> Value {
        let request = self
            .http
            .request(method, self.url(&format!("/api/v1{path}")))
            .bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        self.send(request, expected).await.json()
    }

    async fn send(&self, request: reqwest::RequestBuilder, expected: &[u16]) -> Answer {
        let answer = Answer::of(request).await;
        assert!(expected.contains(&answer.status.as_u16()), "{answer:?}");
        answer
    }
}

/// Waits for this event among what else the account is told: others are logged in to it.
async fn hear(socket: &mut Socket, event: &str) {
    loop {
        match socket.next().await {
            Heard::Event(heard, _) if heard == event => break,
            Heard::Event(..) => {}
            other => panic!("{other:?} instead of `{event}`"),
        }
    }
}

/// One member mostly, a few now and then, everybody once in a while.
fn audience() -> Value {
    match below(200) {
        0 => json!("*"),
        1..20 => json!(
            (0..8)
                .map(|_| below(MEMBERS).to_string())
                .collect::<Vec<_>>()
        ),
        _ => json!(below(MEMBERS).to_string()),
    }
}

/// As the forum signs it, now.
fn token(who: u32) -> String {
    forum_token(&who.to_string(), jiff::Timestamp::now().as_second())
}

fn rfc3339_in(seconds: u32) -> String {
    let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds.into());
    then.to_string()
}

/// A number below that one, by chance.
fn below(bound: u32) -> u32 {
    getrandom::u32().expect("chance") % bound
}
