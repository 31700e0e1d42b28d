//! A server with the demo's contract that does not keep it: what a bench is there to find.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use crate::process::{bellrope, run};

/// The numbers that the sockets are told after an insert, by the number they should be told.
type Lie = fn(u64) -> Vec<u64>;

/// In place of a number: the sockets are closed.
const CLOSE: u64 = u64::MAX;

/// How long an answer takes, and a number after it: when the last answer is there, its number is not, and
/// a bench has to wait for it.
const WAY: Duration = Duration::from_millis(30);

struct Liar {
    lie: Lie,
    inserts: AtomicU64,
    sockets: Mutex<Vec<mpsc::UnboundedSender<(Instant, u64)>>>,
}

impl Liar {
    /// Listens until the story is over.
    async fn start(lie: Lie) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let liar = Arc::new(Self {
            lie,
            inserts: AtomicU64::new(0),
            sockets: Mutex::default(),
        });
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(Arc::clone(&liar).serve(stream));
            }
        });
        address
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let mut start = [0; 15];
        match stream.peek(&mut start).await {
            Ok(15) if start == *b"GET /socket.io/" => self.tell(stream).await,
            Ok(15) => self.count(stream).await,
            // Somebody who looked whether anybody is here.
            _ => {}
        }
    }

    async fn tell(&self, stream: TcpStream) {
        let mut socket = accept_async(stream).await.expect("a WebSocket");
        socket.send(Message::text("0{}")).await.expect("a client");
        socket.next().await.expect("its hello").expect("a packet");
        let (tell, mut told) = mpsc::unbounded_channel();
        self.sockets.lock().expect("the sockets").push(tell);
        for packet in ["40{}", "42[\"message\",\"hello\"]"] {
            socket.send(Message::text(packet)).await.expect("a client");
        }
        while let Some((there, age)) = told.recv().await.filter(|(_, age)| *age != CLOSE) {
            sleep_until(there).await;
            let packet = format!("42[\"message\",{age}]");
            // The bench may be over.
            let _ = socket.send(Message::text(packet)).await;
        }
    }

    async fn count(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            let is_last = line == "\r\n";
            line.clear();
            if !is_last {
                continue;
            }
            let number = self.inserts.fetch_add(1, Ordering::Relaxed) + 1;
            for age in (self.lie)(number) {
                for socket in &*self.sockets.lock().expect("the sockets") {
                    let _ = socket.send((Instant::now() + 2 * WAY, age));
                }
            }
            sleep(WAY).await;
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"code\":200}";
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_keep_its_word_is_found_out() {
    // The seventh of the first twenty is the one that is not as it should be.
    let lies: [(&str, Lie, &str); 8] = [
        (
            "push",
            |n| if n == 7 { vec![] } else { vec![n] },
            "1 pushes did not arrive",
        ),
        (
            "push",
            |n| if n == 7 { vec![7, 7] } else { vec![n] },
            "1 pushes arrived more than once",
        ),
        (
            "push",
            |n| if n == 7 { vec![CLOSE] } else { vec![n] },
            "1 sockets did not stay open",
        ),
        (
            "insert",
            |n| if n == 7 { vec![] } else { vec![n] },
            "1 numbers did not arrive",
        ),
        (
            "insert",
            |n| if n == 7 { vec![7, 7] } else { vec![n] },
            "1 numbers arrived that nobody",
        ),
        (
            "insert",
            |n| if n == 7 { vec![9] } else { vec![n] },
            "2 numbers did not follow",
        ),
        (
            "insert",
            |n| if n == 7 { vec![CLOSE] } else { vec![n] },
            "1 sockets did not stay open",
        ),
        ("insert", |n| vec![n], ""),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    fs::write(&tokens, "a.demo.token").expect("a file");
    for (kind, lie, words) in lies {
        let url = format!("http://{}", Liar::start(lie).await);
        let mut command = bellrope();
        command.args([
            "bench",
            kind,
            &url,
            "--demo",
            "--sockets",
            "1",
            "--seconds",
            "1",
        ]);
        command.args(["--callers", "1", "--tokens"]).arg(&tokens);
        if kind == "push" {
            command.args(["--send", "insert", "--rate", "20"]);
        }
        let ran = run(&mut command, "");
        let is_honest = words.is_empty();
        assert_eq!(ran.code == 0, is_honest, "{kind}, {words}: {ran:?}");
        assert!(ran.err.contains(words), "{kind}, {words}: {ran:?}");
    }
}
