//! Nonsense on every way in: packets, frames, requests, bodies and tokens, from a corpus and mutated
//! from it. The server answers nothing with 5xx, nothing panics, and a neighbour hears all the while.
//!
//! Each story replays its part of `tests/corpus` and goes on at random for four seconds, the same in
//! each run; `FUZZ_SECONDS=300 cargo test --test it fuzz::` makes it longer and different, and
//! `FUZZ_SEED` tries the same again. What is found becomes a line of the corpus.

mod body;
mod corpus;
mod dice;
mod file;
mod packet;
mod request;
mod value;

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::{Process, add};
use crate::socket::{Heard, Socket};
use crate::world::{self, Answer, Login, PASSWORD, SOON};
use dice::Dice;

/// What is done at the same time, between two looks at the neighbour.
const TOGETHER: usize = 8;
/// What a server keeps open of its own accord may differ by so many descriptors from one moment to
/// the next: a file that is being read, a connection that is being closed.
const DESCRIPTORS_MORE: usize = 5;

/// A real server, and somebody on it whom none of this concerns.
struct Place {
    server: Process,
    http: Client,
    /// An API key that may do everything.
    key: Login,
    /// A member who is not the neighbour.
    eve: Login,
    neighbour: Neighbour,
    descriptors: usize,
    _folder: TempDir,
}

struct Neighbour {
    token: String,
    socket: Socket,
    age: u64,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let password = add(&data, "ann");
        let mut server = Process::start(&data, &["--registration", "open"]);
        let login = async |path: &str, body: Value| {
            let request = world::client().post(server.url(path)).json(&body);
            Login::of(&Answer::of(request).await)
        };
        let eve = json!({ "username": "eve", "password": PASSWORD });
        let eve = login("/api/v1/register", eve).await;
        let token = server.login("ann", &password).await;
        let setup = server.setup_token();
        let root = json!({ "token": setup, "username": "root", "password": PASSWORD });
        let request = world::client().post(server.url("/api/v1/setup"));
        let root = Login::of(&Answer::of(request.json(&root)).await);
        let scopes = json!({ "name": "all", "scopes": ["publish", "presence", "inbox", "admin"] });
        let path = "/api/v1/keys";
        let key = server.ask(Method::POST, path, &root.token, Some(scopes));
        let key = key.await.json()["key"].as_str().map(str::to_owned);
        let socket = Socket::open(&server, &token).await;
        let neighbour = Neighbour {
            token,
            socket,
            age: 0,
        };
        let mut place = Self {
            server,
            http: world::client(),
            key: Login {
                token: key.expect("a key"),
            },
            eve,
            neighbour,
            descriptors: 0,
            _folder: folder,
        };
        place.neighbour_hears().await;
        place.descriptors = place.server.descriptors();
        place
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    async fn neighbour_hears(&mut self) {
        let Neighbour { token, socket, age } = &mut self.neighbour;
        *age += 1;
        let pressed = self
            .server
            .ask(Method::POST, "/api/v1/me/age", token, None)
            .await;
        assert_eq!(pressed.json()["age"], *age, "{pressed:?}");
        // Nonsense may be a notification, and to everyone.
        let mut heard = socket.next().await;
        while matches!(&heard, Heard::Event(name, _) if name.starts_with("inbox.")) {
            heard = socket.next().await;
        }
        assert_eq!(heard, Heard::Event("message".to_owned(), json!(*age)));
    }

    /// Goes through what is given and then on at random, a few at a time. When one fails, they are the
    /// last that were shown.
    async fn play<T: Display>(
        &mut self,
        given: impl IntoIterator<Item = T>,
        random: impl Fn(&mut Dice) -> T,
        round: impl AsyncFn(&Self, &T),
    ) {
        let (seed, seconds) = (dice::seed(), dice::seconds());
        println!("FUZZ_SEED={seed} FUZZ_SECONDS={seconds}");
        let mut given = given.into_iter().peekable();
        let (mut ends, mut number) = (Instant::now(), 0);
        while given.peek().is_some() || Instant::now() < ends {
            let mut together: Vec<_> = given.by_ref().take(TOGETHER).collect();
            if together.is_empty() {
                let rolls = (number..number + TOGETHER as u64).map(|roll| seed.wrapping_add(roll));
                together.extend(rolls.map(|roll| random(&mut Dice::new(roll))));
                number += TOGETHER as u64;
            } else {
                ends = Instant::now() + Duration::from_secs(seconds);
            }
            for said in &together {
                println!("{said}");
            }
            join_all(together.iter().map(|said| round(self, said))).await;
            self.neighbour_hears().await;
            self.no_panic();
        }
        println!("{number} at random");
    }

    fn no_panic(&self) {
        let log = self.server.log();
        assert!(!log.contains("panicked"), "{log}");
    }

    /// Nothing is left of it all, and the server ends as it should.
    async fn end(mut self) {
        self.neighbour_hears().await;
        // The connections it keeps for later are nobody's leavings.
        self.http = world::client();
        let began = Instant::now();
        loop {
            let open = self.server.descriptors();
            if open <= self.descriptors + DESCRIPTORS_MORE {
                break;
            }
            assert!(
                began.elapsed() < SOON,
                "{open} descriptors, {} before",
                self.descriptors
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.no_panic();
        drop(self.neighbour);
        let log = self.server.stop().await;
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// How long a connection that waits for more of us may say nothing.
const QUIET: Duration = Duration::from_millis(200);

/// Sends bytes, and hears what there is to hear: its beginning within `time`, then until the server
/// closes or says nothing for a moment.
async fn talk(address: SocketAddr, bytes: &[u8], time: Duration) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let (mut all, mut wait) = (Vec::new(), time);
    // One that was refused early may be closed already, and what it was told is gone with it.
    let _ = stream.write_all(bytes).await;
    while let Ok(Ok(1..)) = tokio::time::timeout(wait, stream.read_buf(&mut all)).await {
        wait = QUIET;
    }
    all
}
