//! Keeps the forum's set of keys fresh: from a file that changes, or from a server that rotates them.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinHandle;
use url::Url;

use crate::config::Jwks;
use crate::domain::forum::Forum;
use crate::fetch::{Answer, Fetch};

/// Bytes of a set: a hundred keys of the longest kind fit.
const BYTES_MAX: usize = 256 * 1024;
/// How often a file is looked at that nobody asks for: a key that was taken out should soon be out.
const FILE_EVERY: Duration = Duration::from_secs(10);
/// How long a server's set is good when the server does not say.
const FRESH_DEFAULT: Duration = Duration::from_hours(1);
/// What it says is followed within these: no server is asked every second, and a key that was
/// withdrawn is believed for a day at most.
const FRESH_MIN: Duration = Duration::from_mins(5);
const FRESH_MAX: Duration = Duration::from_hours(24);
/// How soon a server that failed is asked again, at first and after failing again and again.
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_mins(5);

/// Reads a set that is in a file, so that the first token finds it, and a wrong one is told at once.
/// A server's set is left to [`keep`]: a forum that is down must not keep Bellrope from starting.
///
/// # Errors
/// When the file cannot be read, or holds no key that fits.
pub fn read(forum: &Forum) -> Result<()> {
    let Some(Jwks::File(path)) = forum.source() else {
        return Ok(());
    };
    let (json, _) = file(path)?;
    forum
        .accept(&json)
        .map(|_| ())
        .map_err(anyhow::Error::msg)
        .with_context(|| cannot(path))
}

/// Keeps the set fresh until the task is ended; `None` when there is none to keep.
///
/// # Errors
/// When this machine cannot ask the server that has it.
pub fn keep(forum: &Arc<Forum>) -> Result<Option<JoinHandle<()>>> {
    let source = forum.source().cloned();
    let forum = Arc::clone(forum);
    Ok(match source {
        None => None,
        Some(Jwks::File(path)) => Some(tokio::spawn(async move {
            keep_file(&forum, &path).await;
        })),
        Some(Jwks::Url(url)) => {
            let fetch =
                Fetch::new().with_context(|| format!("cannot read the forum's keys at {url}"))?;
            Some(tokio::spawn(async move {
                keep_url(&forum, &url, &fetch).await;
            }))
        }
    })
}

/// What is said of a failure once, and not again until it has passed.
struct Streak {
    failures: u32,
    source: String,
}

impl Streak {
    fn of(source: String) -> Self {
        Self {
            failures: 0,
            source,
        }
    }

    fn failed(&mut self, why: &anyhow::Error) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == 1 {
            tracing::warn!(source = %self.source, cause = %format_args!("{why:#}"), "cannot read the forum's keys; those of before stay");
        }
    }

    fn passed(&mut self, keys: usize) {
        if self.failures > 0 {
            tracing::info!(source = %self.source, keys, "the forum's keys can be read again");
        }
        self.failures = 0;
    }
}

async fn keep_file(forum: &Forum, path: &Path) {
    let mut seen = None;
    let mut streak = Streak::of(path.display().to_string());
    loop {
        // A look at a small file; the longest read is 256 KiB.
        match changed(path, &mut seen) {
            Ok(None) => forum.nothing_new(),
            Ok(Some(json)) => match forum.accept(&json) {
                Ok(keys) => streak.passed(keys),
                Err(why) => streak.failed(&anyhow::Error::msg(why)),
            },
            Err(why) => {
                // The same file may come back.
                seen = None;
                forum.nothing_new();
                streak.failed(&why);
            }
        }
        tokio::select! {
            () = forum.wanted() => {}
            () = tokio::time::sleep(FILE_EVERY) => {}
        }
    }
}

/// What tells one content of a file from the next: when it was written, how long it is, and which
/// file it is, because many programs write a new one and rename it.
type Seen = (i64, i64, u64, u64);

/// The file's content when it is not the one that was seen.
fn changed(path: &Path, seen: &mut Option<Seen>) -> Result<Option<Vec<u8>>> {
    let now = fs::metadata(path).with_context(|| cannot(path))?;
    if *seen == Some(mark(&now)) {
        return Ok(None);
    }
    let (json, mark) = file(path)?;
    *seen = Some(mark);
    Ok(Some(json))
}

fn mark(file: &fs::Metadata) -> Seen {
    (file.mtime(), file.mtime_nsec(), file.size(), file.ino())
}

fn file(path: &Path) -> Result<(Vec<u8>, Seen)> {
    let file = File::open(path).with_context(|| cannot(path))?;
    let mark = mark(&file.metadata().with_context(|| cannot(path))?);
    let mut json = Vec::new();
    file.take(BYTES_MAX as u64 + 1)
        .read_to_end(&mut json)
        .with_context(|| cannot(path))?;
    ensure!(
        json.len() <= BYTES_MAX,
        "{}: it has more than {BYTES_MAX} bytes",
        cannot(path)
    );
    Ok((json, mark))
}

fn cannot(path: &Path) -> String {
    format!("cannot use the forum's keys in {}", path.display())
}

async fn keep_url(forum: &Forum, url: &Url, fetch: &Fetch) {
    let mut streak = Streak::of(url.to_string());
    loop {
        let answer = fetch.get(url, BYTES_MAX).await;
        let pause = match take(forum, answer) {
            Ok((keys, fresh_for)) => {
                streak.passed(keys);
                fresh_for
            }
            Err(why) => {
                streak.failed(&why);
                pause(streak.failures)
            }
        };
        tokio::select! {
            () = forum.wanted() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How many keys there are now, and for how long.
fn take(forum: &Forum, answer: Result<Answer, crate::fetch::Error>) -> Result<(usize, Duration)> {
    let answer = answer.inspect_err(|_| forum.nothing_new())?;
    let keys = forum.accept(&answer.body).map_err(anyhow::Error::msg)?;
    Ok((keys, good_for(answer.fresh_for)))
}

fn good_for(said: Option<Duration>) -> Duration {
    said.unwrap_or(FRESH_DEFAULT).clamp(FRESH_MIN, FRESH_MAX)
}

/// Longer after each failure, so that a server that is down is not kept down.
fn pause(failures: u32) -> Duration {
    RETRY_MIN
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        .min(RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_good_for_as_long_as_its_server_says_within_reason() {
        let said = |seconds| good_for(Some(Duration::from_secs(seconds)));
        assert_eq!(good_for(None), Duration::from_hours(1));
        assert_eq!(said(0), Duration::from_mins(5));
        assert_eq!(said(600), Duration::from_mins(10));
        assert_eq!(said(u64::MAX), Duration::from_hours(24));
    }

    #[test]
    fn a_server_that_is_down_is_asked_ever_more_seldom() {
        let pauses = [1, 2, 3, 7, u32::MAX].map(|failures| pause(failures).as_secs());
        assert_eq!(pauses, [5, 10, 20, 300, 300]);
    }
}
