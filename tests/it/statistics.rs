//! What administrators see of a running server: what happened, who is there, and why nothing can be
//! changed.

use std::time::Instant;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::disk;
use crate::fault::{Disk, Fault};
use crate::socket::{Socket, message};
use crate::world::{Login, SOON, World};

const STATISTICS: &str = "/api/v1/statistics";

async fn read(world: &World, admin: &Login) -> Value {
    let answer = admin.get(world, STATISTICS).await;
    answer.expect_status(StatusCode::OK);
    answer.json()
}

#[tokio::test]
async fn an_administrator_sees_what_happens() {
    let world = World::new().await;
    let admin = world.admin().await;
    let before = read(&world, &admin).await;
    assert_eq!(before["sockets"], json!({ "member": 0, "anonymous": 0 }));
    let ann = world.account("ann").await;
    ann.get(&world, STATISTICS)
        .await
        .expect_problem(403, "scope_missing");
    let mut phone = Socket::open(&world, &ann.token).await;
    let stranger = Socket::open(&world, "").await;
    let forum = world.key(&["publish"]).await;
    forum
        .publish(&world, json!({ "to": ["@ann", "bob"] }))
        .await;
    phone.event("inbox.added").await;
    ann.add_age(&world).await;
    assert_eq!(phone.next().await, message(1));

    // A delivery is counted where it happens, which may be a moment after it was heard.
    let began = Instant::now();
    let now = loop {
        let now = read(&world, &admin).await;
        if now["totals"]["deliveries"].as_u64() >= Some(2) {
            break now;
        }
        assert!(began.elapsed() < SOON, "{now}");
    };
    assert_eq!(now["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(now["sockets"], json!({ "member": 1, "anonymous": 1 }));
    assert_eq!(now["members_online"], 1);
    for (total, wanted) in [
        ("publishes", 1),
        ("recipients", 2),
        ("kept", 2),
        ("inserts", 1),
        ("slow_cut", 0),
    ] {
        assert_eq!(now["totals"][total], wanted, "{total}: {now}");
    }
    assert_eq!(now["refusals"]["scope_missing"], 1);
    // What nobody was refused by is not in it.
    let refusals = now["refusals"].as_object().expect("codes");
    assert!(refusals.values().all(|count| *count != 0), "{now}");
    let before_ok = before["answers"]["2xx"].as_u64().expect("a number");
    assert!(
        now["answers"]["2xx"].as_u64() >= Some(before_ok + 4),
        "{now}"
    );
    assert!(now["answers"]["4xx"].as_u64() >= Some(1), "{now}");
    assert_eq!(now["unready"], Value::Null);
    assert_eq!(now["backup"], json!({ "made_at": null, "failing": false }));
    let commits = &now["store"]["commits"];
    let buckets = commits["buckets"].as_array().expect("buckets").iter();
    let sum: u64 = buckets
        .map(|one| one["count"].as_u64().expect("a number"))
        .sum();
    assert_eq!(commits["count"], sum);
    let last = commits["buckets"].as_array().and_then(|all| all.last());
    assert_eq!(last.expect("one")["up_to"], Value::Null);
    assert!(commits["seconds"].as_f64() > Some(0.0), "{now}");
    assert_eq!(now["store"]["capacity"], 8192);
    assert!(now["store"]["file_bytes"].as_u64() > Some(0));
    assert!(now["process"]["resident_bytes"].as_u64() > Some(1 << 20));
    assert!(now["uptime_s"].as_f64() >= before["uptime_s"].as_f64());

    drop((phone, stranger));
    let began = Instant::now();
    while read(&world, &admin).await["sockets"] != before["sockets"] {
        assert!(
            began.elapsed() < SOON,
            "sockets that are gone are still there"
        );
    }
}

/// The figures are there when they are needed most.
#[tokio::test]
async fn a_disk_that_takes_no_writes_is_said_with_its_reason() {
    let disk = Disk::new();
    let world = disk::serve(&disk).await;
    let admin = world.admin().await;
    disk.set(Some(Fault::full()));
    let refused = admin.post(&world, "/api/v1/me/age", json!({})).await;
    refused.expect_problem(503, "storage_failed");
    let now = read(&world, &admin).await;
    assert_eq!(now["unready"]["code"], "storage_failed");
    let detail = now["unready"]["detail"].as_str().expect("a sentence");
    assert!(detail.contains("takes no writes"), "{detail}");
    assert_eq!(now["refusals"]["storage_failed"], 1);

    disk.set(None);
    let began = Instant::now();
    while !read(&world, &admin).await["unready"].is_null() {
        assert!(began.elapsed() < SOON, "it takes no writes");
    }
}
