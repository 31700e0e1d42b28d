//! `bellrope user`: accounts.

use std::io::{BufRead as _, Write as _};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use hyper::Method;
use serde_json::{Value, json};

use super::control::{Control, IfMissing};
use super::{encoded, shown};
use crate::config::Config;
use crate::domain::password;

#[derive(Subcommand)]
pub enum Command {
    /// Add an account; without --password-stdin a password is made and printed once
    Add {
        /// 2 to 64 letters or digits of any script, `.`, `_` or `-`
        name: String,
        /// An administrator may manage accounts
        #[arg(long, value_parser = ["member", "admin"], default_value = "member")]
        role: String,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// List accounts
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Set an account's password and end its sessions; without --password-stdin one is made and printed once
    Passwd {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
        /// Read the password from the first line of standard input
        #[arg(long)]
        password_stdin: bool,
    },
    /// Keep somebody out, and end their sessions at once; nothing of theirs is lost
    Disable {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// Let somebody in again
    Enable {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
    /// Remove an account, its sessions and its counter
    Remove {
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        name: String,
    },
}

pub async fn run(config: &Config, command: Command) -> Result<()> {
    let open = |if_missing| Control::open(config, if_missing);
    match command {
        Command::Add {
            name,
            role,
            password_stdin,
        } => {
            let (password, made) = password(password_stdin)?;
            let body = json!({ "username": name, "password": password, "role": role });
            let account = open(IfMissing::Create)
                .await?
                .ask(Method::POST, "/accounts", Some(body))
                .await?;
            eprintln!(
                "Added the {} {}.",
                shown(&account, "role"),
                shown(&account, "name")
            );
            print_password(&password, made)
        }
        Command::List { json } => {
            let accounts = open(IfMissing::Refuse)
                .await?
                .ask(Method::GET, "/accounts", None)
                .await?;
            print_list(&accounts, json)
        }
        Command::Passwd {
            name,
            password_stdin,
        } => {
            let (password, made) = password(password_stdin)?;
            let body = json!({ "password": password });
            let path = format!("/accounts/{}/password", encoded(&name));
            open(IfMissing::Refuse)
                .await?
                .ask(Method::POST, &path, Some(body))
                .await?;
            eprintln!("Changed the password of {name} and ended their sessions.");
            print_password(&password, made)
        }
        Command::Disable { name } => {
            let path = format!("/accounts/{}/disable", encoded(&name));
            open(IfMissing::Refuse)
                .await?
                .ask(Method::POST, &path, None)
                .await?;
            eprintln!("Disabled {name} and ended their sessions.");
            Ok(())
        }
        Command::Enable { name } => {
            let path = format!("/accounts/{}/enable", encoded(&name));
            open(IfMissing::Refuse)
                .await?
                .ask(Method::POST, &path, None)
                .await?;
            eprintln!("Enabled {name}.");
            Ok(())
        }
        Command::Remove { name } => {
            let path = format!("/accounts/{}", encoded(&name));
            open(IfMissing::Refuse)
                .await?
                .ask(Method::DELETE, &path, None)
                .await?;
            eprintln!("Removed {name}.");
            Ok(())
        }
    }
}

/// The password to set, and whether we made it.
fn password(from_stdin: bool) -> Result<(String, bool)> {
    if !from_stdin {
        return Ok((password::generate(), true));
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("cannot read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        bail!("standard input holds no password");
    }
    Ok((password, false))
}

/// Alone on stdout, so that a script can take it.
fn print_password(password: &str, made: bool) -> Result<()> {
    if made {
        eprintln!("The password, shown only now:");
        if let Err(error) = writeln!(std::io::stdout(), "{password}") {
            bail!(
                "the password could not be printed ({error}); set another with `bellrope user passwd`"
            );
        }
    }
    Ok(())
}

fn print_list(accounts: &Value, json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{accounts:#}")?;
        return Ok(());
    }
    let items = accounts["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if items.is_empty() {
        eprintln!("There are no accounts. `bellrope user add NAME` makes one.");
    }
    for account in items {
        let state = if account["disabled"] == true {
            "disabled"
        } else {
            "enabled"
        };
        let (name, role, created) = (
            shown(account, "name"),
            shown(account, "role"),
            shown(account, "created_at"),
        );
        writeln!(out, "{name:<24} {role:<8} {state:<9} {created}")?;
    }
    Ok(())
}
