//! What must agree when a story is over: pages, counts, and each client that ever was.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::client::{Client, timeless};
use super::play::{Member, Stage};
use super::story::kind;
use crate::world::World;

pub async fn all(stage: &mut Stage<'_>) {
    for member in &mut stage.members {
        pages(stage.world, member, stage.number).await;
        clients(stage.world, member, stage.hour).await;
        replays(member, stage.hour).await;
    }
}

/// Every state, some items at a time, of all kinds and of the one whose turn it is.
async fn pages(world: &World, member: &Member, number: u64) {
    let archived = |item: &Value| item["archived"] == true;
    let unread = |item: &Value| item["read"] == false;
    for asked in [None, Some(kind(u8::try_from(number % 3).expect("a digit")))] {
        // The pages of all kinds are small ones, so that there are some.
        let suffix = asked
            .as_ref()
            .map_or("&limit=3".to_owned(), |kind| format!("&kind={kind}"));
        let of_kind = |item: &Value| asked.as_ref().is_none_or(|kind| item["kind"] == **kind);
        for (state, items) in [
            (
                "all",
                member.list.shown(|item| of_kind(item) && !archived(item)),
            ),
            (
                "unread",
                member.list.shown(|item| of_kind(item) && unread(item)),
            ),
            (
                "archived",
                member.list.shown(|item| of_kind(item) && archived(item)),
            ),
        ] {
            let path = format!("/api/v1/inbox?state={state}{suffix}");
            assert_eq!(page(world, member, &path).await, items, "{path}");
        }
    }
    let counts = member.login.get(world, "/api/v1/inbox/counts").await;
    let counts = counts.expect_status(StatusCode::OK).json();
    assert_eq!(counts["seq"], member.list.seq);
    assert_eq!(counts["counts"], member.list.counts());
}

/// What the pages of this show, one after another.
async fn page(world: &World, member: &Member, path: &str) -> Vec<Value> {
    let (mut items, mut before) = (Vec::new(), String::new());
    loop {
        let answer = member.login.get(world, &format!("{path}{before}")).await;
        let page = answer.expect_status(StatusCode::OK).json();
        let shown = page["items"].as_array().expect("items").iter().cloned();
        items.extend(shown.map(timeless));
        match page["next"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => return items,
        }
    }
}

/// The one that stayed, the one that came and went, and one that starts afresh.
async fn clients(world: &World, member: &mut Member, hour: u64) {
    let mut fresh = Client::default();
    let is_told = fresh.connect(world, &member.login, None).await;
    assert!(!is_told, "without a cursor there is nothing to tell again");
    member.list.expect(&fresh.view);
    let second = &mut member.devices[1];
    if second.socket.is_none() {
        let is_covered = member.list.covers(second.view.seq, hour);
        let cursor = Some(second.view.cursor());
        let is_told = second.connect(world, &member.login, cursor).await;
        assert_eq!(is_told, is_covered);
    }
    for device in &mut member.devices {
        // Its times as well.
        assert_eq!(device.view.items, fresh.view.items);
        member.list.expect(&device.view);
        let socket = device.socket.as_mut().expect("a device that is online");
        assert_eq!(socket.within(Duration::ZERO).await, None);
    }
}

/// Each state that the first device was ever in, brought up to date.
async fn replays(member: &mut Member, hour: u64) {
    let [device, _] = &mut member.devices;
    let socket = device.socket.as_mut().expect("a device that is online");
    member.views.dedup_by_key(|view| view.seq);
    for mut view in std::mem::take(&mut member.views) {
        let since = view.seq;
        let ready = socket.ask("inbox.sync", view.cursor()).await;
        let is_covered = member.list.covers(since, hour);
        assert_eq!(ready["recovered"], json!(is_covered), "since {since}");
        if view.recover(&ready) {
            assert_eq!(view.items, device.view.items, "since {since}: {ready}");
            member.list.expect(&view);
        }
    }
}
