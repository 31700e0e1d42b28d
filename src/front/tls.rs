//! TLS by certificate files, which are read again when they change: whatever renews them need not
//! tell the server.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{Error, ServerConfig};
use tokio_rustls::{Accept, TlsAcceptor};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What connections are encrypted with, as the files say now.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

/// What tells a file from the one that was there before: a new one has another number or time.
type Marks = [(u64, i64, i64, u64); 2];

impl Tls {
    /// Reads the certificate, with those that vouch for it below it, and its key; both in PEM.
    ///
    /// # Errors
    /// A sentence that names the file that cannot be used.
    pub fn open(certificate: &Path, key: &Path) -> Result<Arc<Self>, String> {
        let current = read(certificate, key)?;
        Ok(Arc::new(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            current: RwLock::new(current),
        }))
    }

    /// Begins a connection. One that began goes on as it did when the files change.
    pub fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Accept<S> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&current)).accept(stream)
    }

    /// Reads the files again when they change, for ever. Those that cannot be used are told of once,
    /// and those of before stay.
    pub async fn keep(self: Arc<Self>) {
        let mut seen = self.marks();
        let mut tick = tokio::time::interval(LOOK_EVERY);
        loop {
            tick.tick().await;
            let marks = self.marks();
            if marks == seen {
                continue;
            }
            seen = marks;
            match read(&self.certificate, &self.key) {
                Ok(fresh) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                    tracing::info!(certificate = %self.certificate.display(), "a new certificate");
                }
                Err(cause) => tracing::warn!(cause, "the certificate of before stays"),
            }
        }
    }

    fn marks(&self) -> Option<Marks> {
        let mark = |file: &Path| {
            let about = fs::metadata(file).ok()?;
            Some((about.ino(), about.mtime(), about.mtime_nsec(), about.len()))
        };
        Some([mark(&self.certificate)?, mark(&self.key)?])
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, String> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| {
            format!(
                "cannot read the certificate {}: {error}",
                certificate.display()
            )
        })?;
    if chain.is_empty() {
        let file = certificate.display();
        return Err(format!(
            "there is no certificate in {file}; it has to be in PEM"
        ));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| {
        // The library names what it found, and never quotes it.
        format!("cannot read the private key {}: {error}", key.display())
    })?;
    let made = config(chain, secret).map_err(|error| match error {
        Error::InconsistentKeys(_) => {
            let (key, certificate) = (key.display(), certificate.display());
            format!("the private key {key} is not the one of the certificate {certificate}")
        }
        other => format!(
            "cannot use the certificate {}: {other}",
            certificate.display()
        ),
    })?;
    Ok(Arc::new(made))
}

fn config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Error> {
    // Named, because whichever other crate is built may bring a second one.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
