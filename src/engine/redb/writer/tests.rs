//! What only a change made for it can show.

use redb::ReadableTable as _;
use redb::backends::InMemoryBackend;

use super::*;
use crate::engine::local::Local;

#[tokio::test]
async fn a_change_that_panics_fails_alone() {
    let disk = Disk::open(InMemoryBackend::new()).expect("a disk");
    let writer = Writer::start(Arc::new(disk), 8, Arc::new(Local::default()));
    let writer = writer.expect("a thread");
    let put = |key: &'static str| {
        writer.write(move |tables, _| {
            let put = tables
                .counter
                .insert(key, b"".as_slice())
                .map_err(storage)?;
            drop(put);
            Ok(())
        })
    };
    let broken = writer.write(|tables, _| -> Result<()> {
        drop(tables.counter.insert("broken", b"".as_slice()));
        panic!("a change that panics")
    });
    let (before, broken, after) = tokio::join!(put("before"), broken, put("after"));
    assert!(before.is_ok() && after.is_ok(), "{before:?}, {after:?}");
    assert!(matches!(broken, Err(Error::Storage(_))), "{broken:?}");
    let kept = writer.write(|tables, _| {
        let there = |key| Ok(tables.counter.get(key).map_err(storage)?.is_some());
        Ok(["before", "broken", "after"].map(there))
    });
    let kept: Result<Vec<bool>> = kept.await.expect("a look").into_iter().collect();
    assert_eq!(kept.expect("three looks"), [true, false, true]);
    writer.stop().await;
}
