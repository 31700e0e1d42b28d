//! The inbox against a model that is a plain list: random stories, and after each step and each
//! story everything that can be asked agrees with it.
//!
//! 256 stories; `STORIES=10000 cargo test --test it model::` makes it another number.

mod check;
mod client;
mod device;
mod list;
mod play;
mod story;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use bellrope::config::{Count, Settings};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use story::{Act, Draft, Step, Story, Which};

use crate::world::{Login, World};

const STORIES: u32 = 256;
const STEPS_MAX: usize = 40;
/// Then a fresh server: what is told to everyone, and what time takes, is the work of all members
/// there ever were.
const STORIES_A_SERVER: u32 = 8;
/// Servers that are told stories at the same time: much of one is waiting.
const LANES: u32 = 4;
/// How long a story that fails is made smaller.
const SHRINK_TIME_MS_MAX: u32 = 60_000;

#[test]
fn the_inbox_is_a_plain_list_to_whoever_looks() {
    let stories = std::env::var("STORIES").map_or(STORIES, |n| n.parse().expect("a number"));
    let lanes: Vec<_> = (0..LANES)
        .map(|_| std::thread::spawn(move || tell_all(stories.div_ceil(LANES))))
        .collect();
    for lane in lanes {
        if let Err(failure) = lane.join().expect("a lane that reports") {
            panic!("{failure}");
        }
    }
}

/// What a random story found: an item that was archived when others became unread, and is told
/// again as it lies now.
#[tokio::test]
async fn what_is_told_again_never_makes_unread_what_was_archived_then() {
    let draft = |title, key| Draft {
        to: vec![0],
        kind: 0,
        title,
        key,
        group: None,
        actor: None,
        object: None,
        expires_h: None,
    };
    let change = |act, which| Step::Change { who: 0, act, which };
    let steps = vec![
        Step::Publish(vec![draft(0, Some(0))]),
        Step::Publish(vec![draft(0, None)]),
        change(Act::Read, Which::All),
        change(Act::Archive, Which::Ids(vec![0])),
        Step::Publish(vec![draft(1, Some(0))]),
        change(Act::Unread, Which::All),
        change(Act::Unarchive, Which::Ids(vec![0])),
    ];
    let (mut world, forum) = open().await;
    play::play(&mut world, &forum, 0, &Story(steps)).await;
}

/// So many stories, one after another.
fn tell_all(stories: u32) -> Result<(), String> {
    let told = (0..stories).step_by(STORIES_A_SERVER as usize);
    let mut servers = told.map(|told| tell(STORIES_A_SERVER.min(stories - told)));
    servers.find(Result::is_err).unwrap_or(Ok(()))
}

/// So many stories on one server, each with members of its own.
fn tell(stories: u32) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (world, forum) = runtime.block_on(open());
    let (world, number) = (RefCell::new(world), AtomicU64::new(0));
    let mut runner = TestRunner::new(Config {
        cases: stories,
        failure_persistence: None,
        max_shrink_time: SHRINK_TIME_MS_MAX,
        max_shrink_iters: 1_000_000,
        ..Config::default()
    });
    let told = runner.run(&story::stories(STEPS_MAX), |story| {
        let number = number.fetch_add(1, Ordering::Relaxed);
        let mut world = world.borrow_mut();
        runtime.block_on(play::play(&mut world, &forum, number, &story));
        Ok::<(), TestCaseError>(())
    });
    let mut world = world.into_inner();
    runtime.block_on(world.stop());
    told.map_err(|failure| failure.to_string())
}

async fn open() -> (World, Login) {
    let count = Count(list::ITEMS_MAX);
    let log = usize::try_from(list::LOG_MAX).expect("a number");
    let world = World::forum_with(Settings {
        inbox_items_max: Some(count),
        log_changes_max: Some(Count(log)),
        ..Settings::default()
    })
    .await;
    let forum = world.key(&["publish", "inbox", "presence"]).await;
    (world, forum)
}
