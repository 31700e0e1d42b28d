//! The data folder: what is in it, made how, and whose it is.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown, lchown,
};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::restore;
use crate::domain::backup::archive::{DATABASE, SECRET};
use crate::domain::id;

/// Bytes of the session secret at least (RFC 7518, 3.2: as long as the hash).
pub const SECRET_BYTES_MIN: usize = 32;

/// A folder that holds one server's database, secret and control socket.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it if it is missing, for its owner's eyes only.
    ///
    /// # Errors
    /// When it cannot be made, or something else has its name.
    pub fn create(path: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data folder {}", path.display()))?;
        let folder = Self(path.to_owned());
        restore::finish(&folder)?;
        Ok(folder)
    }

    /// The one that is there.
    ///
    /// # Errors
    /// When there is no database in it.
    pub fn existing(path: &Path) -> Result<Self> {
        let folder = Self(path.to_owned());
        restore::finish(&folder)?;
        let is_there = folder.file().try_exists();
        ensure!(
            is_there
                .with_context(|| format!("cannot look into the data folder {}", path.display()))?,
            "there is no database in {}; `bellrope serve` or `bellrope user add` makes one, `--data` names another folder",
            path.display()
        );
        Ok(folder)
    }

    /// One to look at as it is, whatever is there: nothing is made and nothing finished.
    #[must_use]
    pub fn as_it_is(path: &Path) -> Self {
        Self(path.to_owned())
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The database's file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    /// The file of the secret that signs sessions.
    #[must_use]
    pub fn secret_file(&self) -> PathBuf {
        self.0.join(SECRET)
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    /// Whether a server answers here.
    #[must_use]
    pub fn is_served(&self) -> bool {
        UnixStream::connect(self.socket()).is_ok()
    }

    /// # Errors
    /// When a server answers here.
    pub fn ensure_stopped(&self) -> Result<()> {
        ensure!(
            !self.is_served(),
            "the server runs on {}; stop it first",
            self.0.display()
        );
        Ok(())
    }

    /// The database's file, made with the right mode and owner before anything is written to it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn database(&self) -> Result<PathBuf> {
        let path = self.file();
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
        {
            Ok(file) => self.claim(&file)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {}", path.display()));
            }
        }
        Ok(path)
    }

    /// The secret that signs sessions; made, and on disk, before the first is signed.
    ///
    /// # Errors
    /// When it cannot be read or made, or is too short to be one.
    pub fn secret(&self) -> Result<Vec<u8>> {
        let path = self.secret_file();
        let cannot = || format!("cannot use the secret {}", path.display());
        let secret = match fs::read(&path) {
            Ok(secret) => secret.trim_ascii().to_vec(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secret = id::random() + &id::random();
                let draft = self.0.join("session.key.new");
                // One that was left half-made; a link in its place is removed, not followed.
                if draft.symlink_metadata().is_ok() {
                    fs::remove_file(&draft).with_context(cannot)?;
                }
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&draft)
                    .with_context(cannot)?;
                writeln!(file, "{secret}")
                    .and_then(|()| file.sync_all())
                    .with_context(cannot)?;
                self.claim(&file)?;
                fs::rename(&draft, &path).with_context(cannot)?;
                File::open(&self.0)?.sync_all()?;
                secret.into_bytes()
            }
            Err(error) => return Err(error).with_context(cannot),
        };
        ensure_secret(&secret, &path)?;
        Ok(secret)
    }

    /// Gives a new file, by its handle, to the folder's owner, so that root's commands and the
    /// service agree on it, and closes it to everybody else.
    ///
    /// # Errors
    /// When the owner or the mode cannot be set.
    pub fn claim(&self, file: &File) -> Result<()> {
        self.claim_as(file, 0o600)
    }

    /// The same for a folder in it.
    ///
    /// # Errors
    /// Likewise.
    pub fn claim_folder(&self, path: &Path) -> Result<()> {
        let folder = File::open(path);
        let folder = folder.with_context(|| format!("cannot use {}", path.display()))?;
        self.claim_as(&folder, 0o700)
    }

    fn claim_as(&self, file: &File, mode: u32) -> Result<()> {
        let cannot = || format!("cannot give a file to the owner of {}", self.0.display());
        file.set_permissions(Permissions::from_mode(mode))
            .with_context(cannot)?;
        let (owner, about) = (self.owner()?, file.metadata().with_context(cannot)?);
        if (about.uid(), about.gid()) != owner {
            fchown(file, Some(owner.0), Some(owner.1)).with_context(cannot)?;
        }
        Ok(())
    }

    /// The same for the control socket, which has no handle; says who the owner is.
    ///
    /// # Errors
    /// When the owner cannot be set.
    pub fn claim_socket(&self) -> Result<u32> {
        let path = self.socket();
        let cannot = || format!("cannot give {} to the data folder's owner", path.display());
        fs::set_permissions(&path, Permissions::from_mode(0o600)).with_context(cannot)?;
        let (owner, made) = (self.owner()?, path.symlink_metadata().with_context(cannot)?);
        if (made.uid(), made.gid()) != owner {
            lchown(&path, Some(owner.0), Some(owner.1)).with_context(cannot)?;
        }
        Ok(owner.0)
    }

    fn owner(&self) -> Result<(u32, u32)> {
        let folder = fs::metadata(&self.0);
        let folder = folder.with_context(|| format!("cannot look at {}", self.0.display()))?;
        Ok((folder.uid(), folder.gid()))
    }
}

/// # Errors
/// When it is too short to be one.
pub(super) fn ensure_secret(secret: &[u8], path: &Path) -> Result<()> {
    ensure!(
        secret.trim_ascii().len() >= SECRET_BYTES_MIN,
        "the secret {} has {} bytes and needs {SECRET_BYTES_MIN}; remove it to have a new one made, which ends all sessions",
        path.display(),
        secret.len()
    );
    Ok(())
}
