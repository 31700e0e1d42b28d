//! Rows of any bytes are read or refused, and what was written is read the same.

use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::inbox::{Entry, Kept, Ledger, Logged};
use super::{Row, decode, encode};
use crate::domain::account::{Account, Name, Role};
use crate::domain::call::{Call, Record};
use crate::domain::counter::Counter;
use crate::domain::id::{ItemId, MemberId};
use crate::domain::inbox::{Became, Counts, Item, Muted, State, Which};
use crate::domain::key::{Key, Scope};
use crate::domain::notification::{Broadcast, Content, Person, Sum, Thing};
use crate::domain::session::{Session, SessionId};

/// Lengths and numbers in bincode's own spelling, the longest last.
const LENGTHS: [&[u8]; 6] = [
    &[0],
    &[250],
    &[251, 255, 255],
    &[252, 255, 255, 255, 127],
    &[253, 255, 255, 255, 255, 255, 255, 255, 127],
    &[
        254, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 127,
    ],
];

/// What was written is read the same; what was not is refused, and takes no memory it claims.
fn holds<R: Row + PartialEq + Debug>(row: &R, at: usize, junk: &[u8]) {
    let bytes = encode(row).expect("bytes");
    assert_eq!(&decode::<R>(&bytes).expect("the row"), row);
    let at = at % bytes.len();
    let _ = decode::<R>(&bytes[..at]);
    assert!(
        decode::<R>(&[&bytes[..], &[0]].concat()).is_err(),
        "longer than its fields"
    );
    for junk in LENGTHS.into_iter().chain([junk]) {
        let _ = decode::<R>(&[&bytes[..at], junk, &bytes[at..]].concat());
        let _ = decode::<R>(&[&bytes[..at], junk].concat());
        let _ = decode::<R>(&[&[R::VERSION], junk].concat());
    }
}

fn time() -> impl Strategy<Value = Timestamp> {
    let (least, most) = (
        Timestamp::MIN.as_millisecond(),
        Timestamp::MAX.as_millisecond(),
    );
    (least..=most).prop_map(|ms| Timestamp::from_millisecond(ms).expect("a time"))
}

fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9._-]{2,64}|[à-ÿÀ-Ö一-龥]{2,20}"
        .prop_filter_map("no name", |raw| Name::parse(&raw).ok())
}

fn person() -> impl Strategy<Value = Person> {
    (".*", of(".*"), of(".*")).prop_map(|(id, name, avatar)| Person { id, name, avatar })
}

fn content() -> impl Strategy<Value = Content> {
    let words = (".*", ".*", ".*", of(".*"), of(".*"), of(".*"));
    let object = of((".*", ".*").prop_map(|(r#type, id)| Thing { r#type, id }));
    let data = of(vec(any::<i64>(), 0..5).prop_map(|list| serde_json::json!({ "list": list })));
    (words, of(person()), object, data, of(time())).prop_map(
        |((kind, title, body, url, key, group), actor, object, data, expires_at)| Content {
            kind,
            title,
            body,
            url,
            actor,
            object,
            key,
            group,
            data,
            expires_at,
        },
    )
}

fn kept() -> impl Strategy<Value = Kept> {
    let state = prop_oneof![
        Just(State::Unread),
        Just(State::Read),
        Just(State::Archived)
    ];
    let item = (
        any::<u128>(),
        any::<u64>(),
        content(),
        any::<u64>(),
        vec(person(), 0..3),
        time(),
        state,
    );
    (item, any::<u32>(), any::<u32>(), time()).prop_map(
        |((id, seq, content, count, actors, at, state), head, parts, placed_at)| Kept {
            item: Item {
                id: ItemId(id),
                seq: Some(seq),
                content: Arc::new(content),
                count,
                actors,
                created_at: at,
                updated_at: placed_at,
                state,
            },
            head,
            parts,
            placed_at,
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    let became = (
        any::<Option<bool>>(),
        any::<Option<bool>>(),
        any::<Option<bool>>(),
    );
    let became = became.prop_map(|(read, seen, archived)| Became {
        read,
        seen,
        archived,
    });
    let ids = vec(any::<u128>(), 0..5);
    prop_oneof![
        any::<u128>().prop_map(Entry::Added),
        any::<u128>().prop_map(Entry::Updated),
        ids.clone().prop_map(Entry::Removed),
        (ids, became.clone()).prop_map(|(ids, became)| {
            Entry::state(&Which::Ids(ids.into_iter().map(ItemId).collect()), became)
        }),
        (any::<u64>(), became).prop_map(|(seq, became)| Entry::state(&Which::Through(seq), became)),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    (".*", any::<[u8; 32]>()).prop_map(|(id, digest)| Call { id, digest })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn accounts_and_what_is_theirs(
        name in name(), hash in ".*", times in (time(), time(), time()), flags in any::<(bool, bool)>(),
        age in any::<u64>(), at in any::<usize>(), junk in vec(any::<u8>(), 0..64),
    ) {
        let role = if flags.0 { Role::Admin } else { Role::Member };
        let account = Account {
            name: name.clone(), role, disabled: flags.1, password_hash: hash.clone(), created_at: times.0,
        };
        holds(&account, at, &junk);
        let session = Session {
            id: SessionId::new(hash.clone()), name, created_at: times.0, last_used_at: times.1,
            expires_at: times.2, address: hash.clone(), user_agent: hash,
        };
        holds(&session, at, &junk);
        holds(&Counter { age, updated_at: flags.0.then_some(times.0) }, at, &junk);
    }

    #[test]
    fn inboxes_and_their_logs(
        kept in kept(), entry in entry(), n in any::<[u64; 5]>(), signed_out_at in of(time()), left in any::<bool>(),
        words in vec(".*", 0..4), at in any::<usize>(), junk in vec(any::<u8>(), 0..64),
    ) {
        let counts = Counts { unread: n[2], unseen: n[3] };
        let ledger = Ledger { seq: n[0], seen: n[1], counts, items: n[4], signed_out_at, left };
        holds(&ledger, at, &junk);
        holds(&*kept.item.content, at, &junk);
        holds(&Logged { at: kept.placed_at, entry }, at, &junk);
        holds(&kept, at, &junk);
        let muted = Muted { kinds: words.clone(), groups: words.clone(), actors: words };
        holds(&muted, at, &junk);
    }

    #[test]
    fn keys_calls_and_broadcasts(
        words in (".*", ".*"), hash in any::<[u8; 32]>(), times in (time(), of(time())), call in call(),
        content in content(), id in any::<u128>(), n in any::<[u64; 3]>(), is_repeatable in any::<bool>(),
        done in of("[a-z0-9]{1,20}"), at in any::<usize>(), junk in vec(any::<u8>(), 0..64),
    ) {
        let key = Key {
            id: words.0, name: words.1.clone(), scopes: Scope::ALL.to_vec(), hash, created_at: times.0,
            last_used_at: times.1,
        };
        holds(&key, at, &junk);
        holds(&Record { call: call.clone(), at: times.0, outcome: words.1 }, at, &junk);
        let broadcast = Broadcast {
            id: ItemId(id), content: Arc::new(content), call: is_repeatable.then_some(call),
            done: done.map(MemberId::trusted), sum: Sum { delivered: n[0], sockets: n[1], errors: n[2] },
        };
        holds(&broadcast, at, &junk);
    }
}
