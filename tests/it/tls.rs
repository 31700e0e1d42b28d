//! TLS by certificate files: HTTP and sockets go through it, a renewed certificate is taken while
//! the server runs, a wrong one is told of and never taken.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use futures_util::{SinkExt as _, StreamExt as _};

use crate::process::Process;
use crate::world::SOON;

/// Longer than until the files are looked at again.
const RENEWED: Duration = Duration::from_secs(30);

/// A folder with a certificate for `localhost` and its key.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a folder"));
        files.renew();
        files
    }

    /// Writes another pair as certbot does: beside the files, and then in their place.
    fn renew(&self) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        self.put("tls.pem", &cert.pem());
        self.put("tls.key", &signing_key.serialize_pem());
    }

    fn put(&self, name: &str, text: &str) {
        let beside = self.path("new");
        fs::write(&beside, text).expect("a file");
        fs::rename(beside, self.path(name)).expect("its place");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn arguments(&self) -> [String; 4] {
        let file = |name| self.path(name).display().to_string();
        let [certificate, key] = ["--tls-certificate", "--tls-key"].map(str::to_owned);
        [certificate, file("tls.pem"), key, file("tls.key")]
    }

    fn start(&self) -> Result<Process, String> {
        let arguments = self.arguments();
        Process::try_start(&self.data(), &arguments.each_ref().map(String::as_str))
    }

    fn pem(&self) -> Vec<u8> {
        fs::read(self.path("tls.pem")).expect("the certificate")
    }

    fn http(&self) -> reqwest::Client {
        let certificate = Certificate::from_pem(&self.pem()).expect("a certificate");
        let client = reqwest::Client::builder().tls_certs_only([certificate]);
        client.timeout(SOON).build().expect("a client")
    }
}

/// A connection that believes in this certificate alone.
async fn connect(server: &Process, pem: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(pem).expect("a certificate");
    roots.add(certificate).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn http_and_sockets_go_through_it() {
    let files = Files::new();
    let mut server = files.start().expect("a server");
    let url = |path| format!("https://localhost:{}{path}", server.address.port());
    let answer = files
        .http()
        .get(url("/readyz"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 200);
    // Members reach it by HTTPS, so their browsers are told to stay with that.
    assert!(answer.headers().contains_key("strict-transport-security"));
    let page = files.http().get(url("/")).send().await.expect("a page");
    assert!(page.text().await.expect("a text").contains("<title>"));

    let stream = connect(&server, &files.pem()).await.expect("a connection");
    let socket = format!(
        "wss://localhost:{}/socket.io/?EIO=4&transport=websocket",
        server.address.port()
    );
    let (mut socket, _) = client_async(socket, stream).await.expect("a WebSocket");
    socket
        .send(Message::text("40"))
        .await
        .expect("an open socket");
    let hello = Message::text("42[\"message\",\"hello\"]");
    let heard = async {
        while let Some(Ok(heard)) = socket.next().await {
            if heard == hello {
                return;
            }
        }
        panic!("closed before hello");
    };
    tokio::time::timeout(SOON, heard).await.expect("in time");

    // What it prints is what a browser opens.
    server.setup_token();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_encrypted_is_let_go() {
    let files = Files::new();
    let server = files.start().expect("a server");
    let plain = reqwest::get(server.url("/readyz")).await;
    assert!(plain.is_err(), "{plain:?}");
    // Whoever says nothing holds a place for ten seconds and no longer.
    let mut silent = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    let mut nothing = Vec::new();
    let read = silent.read_to_end(&mut nothing);
    let ended = tokio::time::timeout(SOON, read).await.expect("in time");
    assert_eq!(ended.unwrap_or_default(), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_taken_and_a_wrong_one_is_not() {
    let files = Files::new();
    let server = files.start().expect("a server");
    let old = files.pem();
    let mut before = connect(&server, &old).await.expect("a connection");

    files.put("tls.pem", "nothing of the kind");
    let log = files.data().with_extension("log");
    wait(|| {
        fs::read_to_string(&log)
            .expect("a log")
            .contains("the certificate of before stays")
    })
    .await;
    connect(&server, &old).await.expect("the one of before");

    files.renew();
    let fresh = files.pem();
    let began = Instant::now();
    while connect(&server, &fresh).await.is_err() {
        assert!(
            began.elapsed() < RENEWED,
            "the new certificate was not taken"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    connect(&server, &old)
        .await
        .expect_err("the old one is gone");
    // Who was there stays.
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let asked = tokio::io::AsyncWriteExt::write_all(&mut before, request).await;
    let mut answer = String::new();
    if asked.is_ok() {
        // An idle connection is closed after ten seconds, whatever it is encrypted with.
        let _ = before.read_to_string(&mut answer).await;
    }
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 200"),
        "{answer}"
    );
    server.stop().await;
}

async fn wait(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < RENEWED, "it never was");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn files_that_cannot_be_used_are_refused_in_a_sentence() {
    let refused = |break_it: &dyn Fn(&Files), words: &str| {
        let files = Files::new();
        break_it(&files);
        let said = files.start().err().expect("a refusal");
        assert!(said.contains(words), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    };
    let remove = |files: &Files, name: &str| fs::remove_file(files.path(name)).expect("a file");
    refused(
        &|files| remove(files, "tls.pem"),
        "cannot read the certificate",
    );
    refused(
        &|files| remove(files, "tls.key"),
        "cannot read the private key",
    );
    refused(&|files| files.put("tls.pem", ""), "it has to be in PEM");
    refused(
        &|files| files.put("tls.key", "a secret"),
        "cannot read the private key",
    );
    let another = |files: &Files| {
        let key = fs::read_to_string(Files::new().path("tls.key")).expect("another key");
        files.put("tls.key", &key);
    };
    refused(&another, "is not the one of the certificate");
}

#[test]
fn one_setting_without_the_other_is_wrong_usage() {
    for (set, missing) in [
        ("tls-certificate", "tls-key"),
        ("tls-key", "tls-certificate"),
    ] {
        let mut command = crate::process::bellrope();
        command.args(["config", &format!("--{set}"), "file.pem"]);
        let ran = crate::process::run(&mut command, "");
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(&format!("needs `{missing}`")), "{ran:?}");
    }
}
