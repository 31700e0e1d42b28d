//! A socket that systemd hands on: nobody is refused while the server starts anew.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;

use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::world::{SOON, client};

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_while_it_starts_anew_waits_and_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("its address");
    let hand_on = || OwnedFd::from(socket.try_clone().expect("a copy"));
    let server = Process::start_on(hand_on(), &data, &[]).expect("a server");
    assert_eq!(server.address, address);
    let url = server.url("/readyz");
    let answer = client().get(&url).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    server.stop().await;
    // The server is gone, and its socket is not.
    let mut waiting = TcpStream::connect(address).await.expect("a place");
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    waiting
        .write_all(request)
        .await
        .expect("room for a request");
    let server = Process::start_on(hand_on(), &data, &[]).expect("a server");
    let mut answer = String::new();
    let read = waiting.read_to_string(&mut answer);
    tokio::time::timeout(SOON, read)
        .await
        .expect("in time")
        .expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    server.stop().await;
}

#[test]
fn what_is_no_socket_to_listen_on_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = UnixListener::bind(folder.path().join("socket")).expect("a socket");
    let refused = Process::start_on(other.into(), &folder.path().join("data"), &[]);
    let said = refused.err().expect("a refusal");
    assert!(said.contains("ListenStream="), "{said}");
}
