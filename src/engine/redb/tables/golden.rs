//! The bytes of each row, written down once: every later program must write and read the same.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::{Entry, Kept, Ledger, Logged, Row, decode, encode};
use crate::domain::account::{Account, Name, Role};
use crate::domain::call::{Call, Record};
use crate::domain::counter::Counter;
use crate::domain::id::{ItemId, MemberId};
use crate::domain::inbox::{Act, Became, Counts, Item, Muted, State, Which};
use crate::domain::key::{Key, Scope};
use crate::domain::notification::{Broadcast, Content, Person, Sum, Thing};
use crate::domain::session::{Session, SessionId};

/// The fields of [`content`], without the version.
const CONTENT: &[u8] = b"\x04like\x01t\x01b\x01\x02/u\x01\x017\x01\x03Bob\x00\
    \x01\x04post\x019\x01\x01k\x01\x01g\x01\x011\x01\x02";
const HASH: [u8; 32] = [9; 32];

fn ms(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("a time")
}

fn name() -> Name {
    Name::parse("ann").expect("a name")
}

fn bob() -> Person {
    Person {
        id: "7".to_owned(),
        name: Some("Bob".to_owned()),
        avatar: None,
    }
}

fn content() -> Content {
    Content {
        kind: "like".to_owned(),
        title: "t".to_owned(),
        body: "b".to_owned(),
        url: Some("/u".to_owned()),
        actor: Some(bob()),
        object: Some(Thing {
            r#type: "post".to_owned(),
            id: "9".to_owned(),
        }),
        key: Some("k".to_owned()),
        group: Some("g".to_owned()),
        data: Some(json!(1)),
        expires_at: Some(ms(1)),
    }
}

fn call() -> Call {
    Call {
        id: "c".to_owned(),
        digest: HASH,
    }
}

/// A row is a version and its fields; numbers below 251 are one byte, signed ones zigzag.
#[track_caller]
fn is<R: Row>(row: &R, parts: &[&[u8]]) {
    let golden = parts.concat();
    assert_eq!(encode(row).expect("a row"), golden);
    let read: R = decode(&golden).expect("a row");
    assert_eq!(encode(&read).expect("a row"), golden);
}

#[test]
fn accounts_sessions_and_counters() {
    let account = Account {
        name: name(),
        role: Role::Admin,
        disabled: false,
        password_hash: "h".to_owned(),
        created_at: ms(1),
    };
    is(&account, &[b"\x01\x03ann\x01\x00\x01h\x02"]);
    let session = Session {
        id: SessionId::new("ab".to_owned()),
        name: name(),
        created_at: ms(1),
        last_used_at: ms(2),
        expires_at: ms(3),
        address: "a".to_owned(),
        user_agent: "u".to_owned(),
    };
    is(&session, &[b"\x01\x02ab\x03ann\x02\x04\x06\x01a\x01u"]);
    let counter = Counter {
        age: 300,
        updated_at: Some(ms(1)),
    };
    is(&counter, &[b"\x01\xfb\x2c\x01\x01\x02"]);
}

#[test]
fn members_and_what_they_mute() {
    let ledger = Ledger {
        seq: 5,
        seen: 4,
        counts: Counts {
            unread: 3,
            unseen: 2,
        },
        items: 1,
        signed_out_at: Some(ms(1)),
        left: false,
    };
    is(&ledger, &[b"\x01\x05\x04\x03\x02\x01\x01\x02\x00"]);
    let muted = Muted {
        kinds: vec!["k".to_owned()],
        groups: vec![],
        actors: vec!["7".to_owned()],
    };
    is(&muted, &[b"\x01\x01\x01k\x00\x01\x017"]);
}

#[test]
fn items_and_their_parts() {
    is(&content(), &[b"\x01", CONTENT]);
    let kept = Kept {
        item: Item {
            id: ItemId(300),
            seq: Some(5),
            content: Arc::new(content()),
            count: 2,
            actors: vec![bob()],
            created_at: ms(1),
            updated_at: ms(2),
            state: State::Archived,
        },
        head: 1,
        parts: 2,
        placed_at: ms(3),
    };
    let (before, after) = (b"\x01\xfb\x2c\x01\x05\x02", b"\x02\x01\x017\x01\x03Bob\x00");
    is(&kept, &[before, CONTENT, after, b"\x02\x04\x06\x01\x02"]);
}

#[test]
fn the_log() {
    let is = |entry, golden: &[u8]| {
        let at = ms(1);
        is(&Logged { at, entry }, &[b"\x01\x02", golden]);
    };
    is(Entry::Added(7), b"\x00\x07");
    is(Entry::Updated(7), b"\x01\x07");
    is(Entry::Removed(vec![7, 8]), b"\x02\x02\x07\x08");
    let ids = Which::Ids(vec![ItemId(7)]);
    let archived = Became::from(Act::Archive);
    is(
        Entry::state(&ids, archived),
        b"\x03\x01\x07\x01\x01\x00\x01\x01",
    );
    let through = Which::Through(5);
    is(
        Entry::state(&through, Became::SEEN),
        b"\x04\x05\x00\x01\x01\x00",
    );
}

#[test]
fn keys_calls_and_publishes_to_everyone() {
    let key = Key {
        id: "i".to_owned(),
        name: "n".to_owned(),
        scopes: vec![Scope::Publish],
        hash: HASH,
        created_at: ms(1),
        last_used_at: None,
    };
    is(
        &key,
        &[b"\x01\x01i\x01n\x01\x07publish", &HASH, b"\x02\x00"],
    );
    let record = Record {
        call: call(),
        at: ms(1),
        outcome: "o".to_owned(),
    };
    is(&record, &[b"\x01\x01c", &HASH, b"\x02\x01o"]);
    let broadcast = Broadcast {
        id: ItemId(7),
        content: Arc::new(content()),
        call: Some(call()),
        done: Some(MemberId::trusted("42".to_owned())),
        sum: Sum {
            delivered: 3,
            sockets: 2,
            errors: 1,
        },
    };
    let done = b"\x01\x0242\x03\x02\x01";
    is(
        &broadcast,
        &[b"\x01\x07", CONTENT, b"\x01\x01c", &HASH, done],
    );
}
