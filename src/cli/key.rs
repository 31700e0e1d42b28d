//! `bellrope key`: API keys.

use std::io::Write as _;

use anyhow::{Result, bail};
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use super::control::{Control, IfMissing};
use super::{encoded, shown};
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// Make a key and print it, alone and once
    Create {
        /// To recognise it by, such as the forum's name
        name: String,
        /// What it may do: publish, presence, inbox (act on members' inboxes), admin
        #[arg(
            long,
            required = true,
            value_delimiter = ',',
            value_parser = ["publish", "presence", "inbox", "admin"]
        )]
        scope: Vec<String>,
    },
    /// List keys, without their secrets
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a key open nothing from now on
    Revoke {
        /// As `bellrope key list` shows it
        id: String,
    },
}

pub async fn run(config: &Config, command: Command) -> Result<()> {
    let control = Control::open(config, IfMissing::Refuse).await?;
    match command {
        Command::Create { name, scope } => {
            let body = json!({ "name": name, "scopes": scope });
            let key = control.ask(Method::POST, "/keys", Some(body)).await?;
            eprintln!(
                "Made the key {} with the id {}. It is shown only now:",
                shown(&key, "name"),
                shown(&key, "id")
            );
            if let Err(error) = writeln!(std::io::stdout(), "{}", shown(&key, "key")) {
                bail!(
                    "the key could not be printed ({error}); revoke it with `bellrope key revoke {}`",
                    shown(&key, "id")
                );
            }
            Ok(())
        }
        Command::List { json } => {
            let keys = control.ask(Method::GET, "/keys", None).await?;
            print_list(&keys, json)
        }
        Command::Revoke { id } => {
            let path = format!("/keys/{}", encoded(&id));
            control.ask(Method::DELETE, &path, None).await?;
            eprintln!("Revoked the key {id}.");
            Ok(())
        }
    }
}

fn print_list(keys: &Value, json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{keys:#}")?;
        return Ok(());
    }
    let items = keys["items"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if items.is_empty() {
        eprintln!("There are no keys. `bellrope key create NAME --scope publish` makes one.");
    }
    for key in items {
        let scopes = key["scopes"].as_array().map(Vec::as_slice);
        let scopes: Vec<&str> = scopes
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let used = key["last_used_at"].as_str().unwrap_or("never used");
        let (id, name) = (shown(key, "id"), shown(key, "name"));
        writeln!(out, "{id:<12} {name:<24} {:<30} {used}", scopes.join(","))?;
    }
    Ok(())
}
