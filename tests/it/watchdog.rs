//! What systemd hears: ready, how it is, that the loops go round, stopping. A loop that hangs is
//! noticed; a full disk, or a crowd that waits to be let in, is no hang.

use std::os::unix::net::UnixDatagram as StdDatagram;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bellrope::config::Settings;
use reqwest::{Method, StatusCode};
use tokio::net::{TcpStream, UnixDatagram};

use crate::disk;
use crate::fault::Disk;
use crate::process::{Process, add};
use crate::socket::Socket;
use crate::world::{SOON, World};

/// What stands for systemd.
struct Systemd(UnixDatagram);

impl Systemd {
    /// The next line it hears that is not the one that is left out.
    async fn next(&self, but: &str) -> String {
        let mut bytes = [0; 1024];
        loop {
            let heard = tokio::time::timeout(SOON, self.0.recv(&mut bytes)).await;
            let len = heard.expect("in time").expect("a datagram");
            let text = String::from_utf8_lossy(&bytes[..len]);
            if let Some(line) = text.lines().find(|line| *line != but) {
                return line.to_owned();
            }
        }
    }

    async fn expect(&self, line: &str, times: usize) {
        for _ in 0..times {
            assert_eq!(self.next("").await, line);
        }
    }
}

const ALIVE: &str = "WATCHDOG=1";
const EVERY: Duration = Duration::from_millis(200);
const NOBODY: &str = "STATUS=members online: 0, their sockets: 0";

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_how_the_server_is_and_that_it_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, notify) = (folder.path().join("data"), folder.path().join("notify"));
    let password = add(&data, "ann");
    let socket = StdDatagram::bind(&notify).expect("a socket");
    socket.set_nonblocking(true).expect("a mode");
    let systemd = Systemd(UnixDatagram::from_std(socket).expect("a socket"));

    let server = Process::start_watched(&data, &notify, EVERY);
    assert_eq!(systemd.next("").await, "READY=1");
    assert_eq!(systemd.next(ALIVE).await, NOBODY);
    systemd.expect(ALIVE, 5).await;
    let ann = server.login("ann", &password).await;
    let two = [
        Socket::open(&server, &ann).await,
        Socket::open(&server, &ann).await,
    ];
    // One may have been counted before the other came.
    let mut said = systemd.next(ALIVE).await;
    if said.ends_with('1') {
        said = systemd.next(ALIVE).await;
    }
    assert_eq!(said, "STATUS=members online: 1, their sockets: 2");
    drop(two);
    while systemd.next(ALIVE).await != NOBODY {}

    // It cannot write, and says so; that is no reason to end it.
    server.limit_files("0");
    let refused = server.ask(Method::POST, "/api/v1/me/age", &ann, None).await;
    refused.expect_problem(503, "storage_failed");
    let said = systemd.next(ALIVE).await;
    assert!(said.starts_with("STATUS=changes are refused (storage_failed)"));
    systemd.expect(ALIVE, 10).await;
    server.limit_files("unlimited");
    assert_eq!(systemd.next(ALIVE).await, NOBODY);
    server.signal("TERM");
    while systemd.next(ALIVE).await != "STOPPING=1" {}
    assert!(server.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_does_not_end_is_noticed() {
    let disk = Disk::new();
    let world = disk::serve(&disk).await;
    let ann = world.account("ann").await;
    let patience = Duration::from_millis(1500);
    assert_eq!(world.stall(patience), None);
    disk.hangs.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let mut adding = std::pin::pin!(ann.add_age(&world));
    let stall = loop {
        let wait = tokio::time::timeout(Duration::from_millis(5), &mut adding).await;
        assert!(wait.is_err(), "answered before it was kept");
        if let Some(stall) = world.stall(patience) {
            break stall;
        }
        assert!(began.elapsed() < SOON, "nobody noticed");
    };
    assert!(began.elapsed() > patience);
    assert!(stall.starts_with("a commit has taken "), "{stall}");
    disk.hangs.store(false, Ordering::Relaxed);
    assert_eq!(adding.await, 1);
    assert_eq!(world.stall(patience), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_waits_to_be_let_in_is_no_stall() {
    let world = World::with(Settings {
        connections_max: Some("1".parse().expect("a count")),
        ..Settings::default()
    })
    .await;
    let patience = Duration::from_millis(1500);
    let address = world.address;
    let first = TcpStream::connect(address).await.expect("the one place");
    let second = TcpStream::connect(address).await.expect("who waits");
    let began = Instant::now();
    while began.elapsed() < patience * 2 {
        assert_eq!(world.stall(patience), None);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop((first, second));
    world
        .ask(Method::GET, "/healthz", None)
        .await
        .expect_status(StatusCode::OK);
}
