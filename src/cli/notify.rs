//! `bellrope notify`: one notification from the command line.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hyper::Method;
use serde_json::{Value, json};

use super::control::{Control, IfMissing};
use crate::config::Config;

#[derive(Args)]
pub struct Notification {
    /// A member's id, several with commas between them, or * for everyone
    to: String,
    /// One line, at most 200 characters
    title: String,
    /// Plain text below the title
    #[arg(long)]
    body: Option<String>,
    /// Where it leads: an http(s) URL, or a path on the forum
    #[arg(long)]
    url: Option<String>,
    /// The forum's own word for what happened
    #[arg(long, default_value = "message")]
    kind: String,
    /// A handle to edit or retract it by
    #[arg(long)]
    key: Option<String>,
    /// Unread items of one group fold into one
    #[arg(long)]
    group: Option<String>,
    /// Who did it
    #[arg(long, value_name = "ID", id = "actor")]
    actor: Option<String>,
    /// Their name, to be shown
    #[arg(long, value_name = "NAME", requires = "actor")]
    actor_name: Option<String>,
    /// Their picture, http(s)
    #[arg(long, value_name = "URL", requires = "actor")]
    actor_avatar: Option<String>,
    /// What it is about, such as post:991
    #[arg(long, value_name = "TYPE:ID")]
    object: Option<String>,
    /// Any JSON to hand on
    #[arg(long, value_name = "JSON")]
    extra: Option<String>,
    /// Only to sockets that are open now; nothing is kept
    #[arg(long)]
    transient: bool,
    /// When it goes by itself, in RFC 3339
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// The receipt as JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(config: &Config, asked: Notification) -> Result<()> {
    let as_json = asked.json;
    let body = body(asked)?;
    let control = Control::open(config, IfMissing::Refuse).await?;
    let receipt = control
        .ask(Method::POST, "/notifications", Some(body))
        .await?;
    let mut out = std::io::stdout().lock();
    if as_json {
        writeln!(out, "{receipt:#}")?;
    }
    match &receipt["results"] {
        Value::Array(results) => {
            for result in results.iter().filter(|_| !as_json) {
                let to = result["to"].as_str().unwrap_or_default();
                match result["error"]["code"].as_str() {
                    Some(code) => writeln!(out, "{to}: refused, {code}")?,
                    None => writeln!(
                        out,
                        "{to}: {} unread, told to {} sockets",
                        result["unread"], result["sockets"]
                    )?,
                }
            }
            if results.iter().all(|result| result["error"].is_object()) {
                bail!("nobody got it");
            }
        }
        _ if as_json => {}
        sums => writeln!(
            out,
            "{} members, told to {} sockets; {} refused",
            sums["delivered"], sums["sockets"], sums["errors"]
        )?,
    }
    Ok(())
}

fn body(asked: Notification) -> Result<Value> {
    let to = match asked.to.as_str() {
        "*" => json!("*"),
        ids => json!(ids.split(',').map(str::trim).collect::<Vec<_>>()),
    };
    let data = asked.extra.map(|data| serde_json::from_str::<Value>(&data));
    let data = data.transpose().context("--extra is no JSON")?;
    let object = match asked.object.as_deref().map(|object| object.split_once(':')) {
        Some(Some((r#type, id))) => Some(json!({ "type": r#type, "id": id })),
        Some(None) => bail!("--object is written TYPE:ID, such as post:991"),
        None => None,
    };
    let actor = asked
        .actor
        .map(|id| json!({ "id": id, "name": asked.actor_name, "avatar": asked.actor_avatar }));
    Ok(json!({
        "to": to,
        "kind": asked.kind,
        "title": asked.title,
        "body": asked.body,
        "url": asked.url,
        "actor": actor,
        "object": object,
        "key": asked.key,
        "group": asked.group,
        "data": data,
        "transient": asked.transient,
        "expires_at": asked.expires_at,
    }))
}
