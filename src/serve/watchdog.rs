//! What systemd hears while the server runs: how it is, and, where it watches, that the loops go
//! round. A server that hangs is started anew; one whose disk is full is not, because it does go on.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::MissedTickBehavior;

use super::house::House;
use crate::domain::App;
use crate::front::Front;

/// How often it is told at least.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// What a loop may take at least, whatever systemd was set to: one that waits says so each second.
const PATIENCE_MIN: Duration = Duration::from_secs(2);

/// Tells systemd until it is dropped; nobody, where nobody listens.
pub async fn keep(app: Arc<App>, front: Arc<Front<House>>) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    // It is told twice as often as it expects (sd_watchdog_enabled(3)).
    let every = sd_notify::watchdog_enabled().map(|limit| limit / 2);
    let mut tick = tokio::time::interval(every.unwrap_or(TELL_EVERY).min(TELL_EVERY));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut said, mut is_well) = (String::new(), true);
    loop {
        tick.tick().await;
        let mut news = Vec::new();
        let status = status(&app).await;
        if status != said {
            news.push(NotifyState::Status(&status));
        }
        if let Some(every) = every {
            let patience = every.max(PATIENCE_MIN);
            let stall = stall(&app, &front, patience);
            match &stall {
                None => news.push(NotifyState::Watchdog),
                // Once: the next line of the log may be the last.
                Some(stall) if is_well => tracing::error!(stall, "systemd will end this process"),
                Some(_) => {}
            }
            is_well = stall.is_none();
        }
        if !news.is_empty() {
            super::tell_systemd(&news);
        }
        said = status;
    }
}

/// Why the server does not go on, where one of its loops has been at one thing for longer.
pub fn stall(app: &App, front: &Front<House>, patience: Duration) -> Option<String> {
    let (writer, accept) = (app.store.pulse().step, front.silent_for());
    if writer > patience {
        return Some(format!("a commit has taken {writer:.1?} so far"));
    }
    (accept > patience).then(|| format!("nobody has been let in for {accept:.1?}"))
}

/// One line for `systemctl status`.
async fn status(app: &App) -> String {
    let here = app.bus.census();
    let online = format!(
        "members online: {}, their sockets: {}",
        here.members, here.member_sockets
    );
    match app.ready().await {
        Ok(()) => online,
        Err(error) => format!("changes are refused ({}); {online}", error.code()),
    }
}
