//! The setup link: how the first administrator comes to be.

use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::account::{self, Role};
use super::engine::Unless;
use super::error::{Error, Result};
use super::session::{self, Device, Login};
use super::{App, id};

/// How long a link is good. A new start prints a new one.
const TTL: SignedDuration = SignedDuration::from_mins(30);

/// The one link of this run, in memory: it must not outlive the process that printed it.
#[derive(Default)]
pub struct Setup(Mutex<Option<Link>>);

#[derive(Clone)]
struct Link {
    token: String,
    expires_at: Timestamp,
}

impl Setup {
    fn replace(&self, link: Option<Link>) -> Option<Link> {
        std::mem::replace(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
            link,
        )
    }

    fn get(&self) -> Option<Link> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A token for a new link, or `None` when an administrator exists.
///
/// # Errors
/// `Storage`.
pub async fn offer(app: &App) -> Result<Option<String>> {
    if app
        .store
        .accounts()
        .await?
        .iter()
        .any(|account| account.role == Role::Admin)
    {
        return Ok(None);
    }
    let token = id::random();
    app.setup.replace(Some(Link {
        token: token.clone(),
        expires_at: app.clock.now() + TTL,
    }));
    Ok(Some(token))
}

/// Makes the first administrator and logs them in. The link is used up by success only.
///
/// # Errors
/// `TokenInvalid` (unknown or used), `TokenExpired`, `FieldInvalid`, `Exists`, `Busy`, `Storage`.
pub async fn accept(
    app: &App,
    token: &str,
    username: &str,
    password: &str,
    device: &Device,
) -> Result<Login> {
    let link = app.setup.get().filter(|link| link.token == token);
    let link = link.ok_or(Error::TokenInvalid("the setup link is unknown or was used; each start of the server prints a new one while no administrator exists"))?;
    if app.clock.now() >= link.expires_at {
        return Err(Error::TokenExpired);
    }
    let account = account::prepare(app, username, password, Role::Admin).await?;
    let login = session::open_new(app, &account, Unless::NameTakenOrAdminExists, device).await?;
    app.setup.replace(None);
    tracing::info!(name = %account.name, "the first administrator was made by the setup link");
    Ok(login)
}
