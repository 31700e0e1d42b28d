//! `bellrope token`: a token for tests, and why one is refused.

use std::io::Write as _;

use anyhow::Result;
use clap::Subcommand;
use hyper::Method;
use serde_json::json;

use super::control::{Control, IfMissing};
use super::shown;
use crate::config::{Config, Ttl};

#[derive(Subcommand)]
pub enum Command {
    /// Print a token that speaks for a member, as the forum or a login would make it
    ///
    /// For a forum's member this needs the setting `forum-secret`; an own account's id is @ and its name.
    Mint {
        /// The member's id
        id: String,
        /// How long it is good
        #[arg(long, value_name = "TIME", default_value = "1h")]
        ttl: Ttl,
    },
    /// Say whom a token speaks for, or why it is refused
    Check { token: String },
}

pub async fn run(config: &Config, command: Command) -> Result<()> {
    let control = Control::open(config, IfMissing::Refuse).await?;
    match command {
        Command::Mint { id, ttl } => {
            let body = json!({ "id": id, "ttl_s": ttl.0.as_secs() });
            let minted = control.ask(Method::POST, "/tokens", Some(body)).await?;
            eprintln!("Good until {}:", shown(&minted, "expires_at"));
            writeln!(std::io::stdout(), "{}", shown(&minted, "token"))?;
        }
        Command::Check { token } => {
            let body = json!({ "token": token });
            let checked = control
                .ask(Method::POST, "/tokens/check", Some(body))
                .await?;
            let (kind, id, name) = (
                shown(&checked, "kind"),
                shown(&checked, "id"),
                shown(&checked, "name"),
            );
            let until = checked["expires_at"].as_str().unwrap_or("it is revoked");
            writeln!(
                std::io::stdout(),
                "{kind} of {id} ({name}), good until {until}"
            )?;
        }
    }
    Ok(())
}
