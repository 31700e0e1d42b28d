//! A real nginx on a free port, with our own `packaging/nginx.conf`, whole or with something wrong.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::world::SOON;

const PACKAGED: &str = include_str!("../../../packaging/nginx.conf");

pub struct Nginx {
    child: Child,
    pub port: u16,
    folder: TempDir,
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// The packaged settings in front of `upstream`, without TLS.
pub fn packaged(port: u16, upstream: SocketAddr) -> String {
    let plain = with_tls(port, upstream).replace(" ssl http2;", ";");
    let lines = plain.lines().filter(|line| !line.contains("ssl_cert"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The packaged settings with TLS, whose certificate is `cert.pem` beside them.
pub fn with_tls(port: u16, upstream: SocketAddr) -> String {
    let map = PACKAGED.find("map $http_upgrade").expect("the map");
    let first = PACKAGED.find("server {").expect("the first server");
    let second = PACKAGED.rfind("\nserver {").expect("the second server");
    let mut settings = PACKAGED[map..first].to_owned() + &PACKAGED[second..];
    let folder = "/etc/letsencrypt/live/bell.example.org";
    for (packaged, ours) in [
        ("listen [::]:443 ssl http2;", String::new()),
        ("listen 443", format!("listen 127.0.0.1:{port}")),
        ("bell.example.org;", "127.0.0.1;".to_owned()),
        (&format!("{folder}/fullchain.pem"), "cert.pem".to_owned()),
        (&format!("{folder}/privkey.pem"), "key.pem".to_owned()),
        ("127.0.0.1:8888", upstream.to_string()),
    ] {
        settings = changed(&settings, packaged, &ours);
    }
    settings
}

/// The settings with every `from` become `to`; it must be there.
pub fn changed(settings: &str, from: &str, to: &str) -> String {
    assert!(settings.contains(from), "no `{from}` in {settings}");
    settings.replace(from, to)
}

/// A certificate for 127.0.0.1 that its own file vouches for.
pub fn certificate(folder: &Path, days: u32) {
    let settings = "[req]\ndistinguished_name=name\n[name]\n\
        [own]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n";
    fs::write(folder.join("openssl.cnf"), settings).expect("it");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-config",
            "openssl.cnf",
            "-extensions",
            "own",
        ])
        .args([
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-subj", "/CN=bell", "-keyout", "key.pem", "-out", "cert.pem",
        ])
        .args(["-days", &days.to_string()])
        .current_dir(folder)
        .output()
        .expect("openssl, which tests/run installs");
    assert!(made.status.success(), "{made:?}");
}

impl Nginx {
    /// Starts it with these `server` blocks, and waits until it listens.
    pub fn start(port: u16, servers: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_in(folder, port, servers)
    }

    pub fn start_in(folder: TempDir, port: u16, servers: &str) -> Self {
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|name| format!("{name}_temp_path {name};\n"));
        let settings = format!(
            "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr crit;\n\
             events {{}}\nhttp {{\naccess_log off;\n{}{servers}\n}}\n",
            temporary.concat()
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, settings).expect("its settings");
        let debian = "/usr/sbin/nginx";
        let program = if Path::new(debian).exists() {
            debian
        } else {
            "nginx"
        };
        let mut child = Command::new(program)
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx, which tests/run installs");
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = child.try_wait().expect("its state");
            assert!(ended.is_none(), "nginx ended: {ended:?}\n{servers}");
            assert!(began.elapsed() < SOON, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self {
            child,
            port,
            folder,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file of a certificate that vouches for nothing here.
pub fn other_authority(beside: &Path) -> std::path::PathBuf {
    let folder = beside.join("other");
    fs::create_dir(&folder).expect("it");
    certificate(&folder, 10);
    folder.join("cert.pem")
}
