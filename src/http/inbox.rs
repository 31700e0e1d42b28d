//! A member's inbox over HTTP.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::Any;
use poem_openapi::{Enum, Object, OpenApi};
use serde_json::Value;

use super::actor::Caller;
use super::error::Problem;
use super::notification::{Actor, Target};
use super::{DateTime, Tag};
use crate::domain::App;
use crate::domain::error::{Error, Result};
use crate::domain::inbox::{self, Act, Counts, Filter, Item, Muted, Selector, Standing, State};

pub struct InboxApi;

/// Items of a page unless `limit` says otherwise.
const LIMIT: usize = 20;

#[derive(Enum, Clone, Copy, Default)]
#[oai(rename_all = "lowercase")]
enum StateName {
    /// Everything not archived.
    #[default]
    All,
    Unread,
    Archived,
}

impl From<StateName> for Filter {
    fn from(state: StateName) -> Self {
        match state {
            StateName::All => Self::All,
            StateName::Unread => Self::Unread,
            StateName::Archived => Self::Archived,
        }
    }
}

/// One entry of an inbox. Sockets are told the same.
#[derive(Object)]
#[oai(rename = "Item")]
pub struct ItemBody {
    id: String,
    /// Of the add or fold that put it where it is.
    seq: Option<u64>,
    kind: String,
    title: String,
    body: String,
    url: Option<String>,
    actor: Option<Actor>,
    object: Option<Target>,
    key: Option<String>,
    group: Option<String>,
    /// Distinct actors of its parts; a part without one counts one.
    count: u64,
    /// The five newest.
    actors: Vec<Actor>,
    data: Option<Any<Value>>,
    created_at: DateTime,
    updated_at: DateTime,
    expires_at: Option<DateTime>,
    read: bool,
    archived: bool,
}

impl From<Item> for ItemBody {
    fn from(item: Item) -> Self {
        // Read for this answer alone, so nobody else has it.
        let content = Arc::unwrap_or_clone(item.content);
        Self {
            id: item.id.to_string(),
            seq: item.seq,
            kind: content.kind,
            title: content.title,
            body: content.body,
            url: content.url,
            actor: content.actor.map(Into::into),
            object: content.object.map(Into::into),
            key: content.key,
            group: content.group,
            count: item.count,
            actors: item.actors.into_iter().map(Into::into).collect(),
            data: content.data.map(Any),
            created_at: DateTime(item.created_at),
            updated_at: DateTime(item.updated_at),
            expires_at: content.expires_at.map(DateTime),
            read: item.state != State::Unread,
            archived: item.state == State::Archived,
        }
    }
}

#[derive(Object)]
#[oai(rename = "Counts")]
struct CountsBody {
    /// Items neither read nor archived; a group counts once.
    unread: u64,
    /// Those of them above the `seen` pointer: what a bell shows.
    unseen: u64,
}

impl From<Counts> for CountsBody {
    fn from(counts: Counts) -> Self {
        Self {
            unread: counts.unread,
            unseen: counts.unseen,
        }
    }
}

/// Where the member's log stands.
#[derive(Object)]
#[oai(rename = "Standing")]
pub struct StandingBody {
    epoch: String,
    seq: u64,
    counts: CountsBody,
}

impl From<Standing> for StandingBody {
    fn from(standing: Standing) -> Self {
        Self {
            epoch: standing.epoch,
            seq: standing.seq,
            counts: standing.counts.into(),
        }
    }
}

#[derive(Object)]
struct InboxPage {
    /// Newest first, by `seq`.
    items: Vec<ItemBody>,
    counts: CountsBody,
    epoch: String,
    seq: u64,
    /// `before` of the next page, if there is one.
    next: Option<u64>,
}

/// Which items: exactly one of these.
#[derive(Object)]
#[oai(rename = "Selector", deny_unknown_fields)]
pub struct SelectorBody {
    /// At most 1,000.
    ids: Option<Vec<String>>,
    group: Option<String>,
    object: Option<Target>,
    kind: Option<String>,
    /// All with this `seq` or a lower one.
    through: Option<u64>,
    /// `true`.
    all: Option<bool>,
}

impl SelectorBody {
    pub fn selector(self) -> Result<Selector> {
        // An id that cannot be one is nobody's, like one that is gone.
        let known = |ids: Vec<String>| ids.iter().filter_map(|id| id.parse().ok()).collect();
        let given = [
            self.ids.map(|ids| Selector::Ids(known(ids))),
            self.group.map(Selector::Group),
            self.object.map(|object| Selector::Object(object.into())),
            self.kind.map(Selector::Kind),
            self.through.map(Selector::Through),
            self.all.map(|_| Selector::All),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next(), self.all) {
            (Some(selector), None, None | Some(true)) => Ok(selector),
            _ => Err(Error::Malformed(
                "Give exactly one of `ids`, `group`, `object`, `kind`, `through` and `\"all\":true`."
                    .to_owned(),
            )),
        }
    }
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct Seen {
    /// The highest `seq` that was seen.
    through: u64,
}

#[derive(Object)]
#[oai(rename = "Muted", deny_unknown_fields)]
struct MutedBody {
    #[oai(default)]
    kinds: Vec<String>,
    #[oai(default)]
    groups: Vec<String>,
    /// Ids.
    #[oai(default)]
    actors: Vec<String>,
}

#[derive(Object)]
#[oai(deny_unknown_fields)]
struct Preferences {
    /// What nothing new is kept of. At most 200 of each.
    muted: MutedBody,
}

impl From<Muted> for Preferences {
    fn from(muted: Muted) -> Self {
        Self {
            muted: MutedBody {
                kinds: muted.kinds,
                groups: muted.groups,
                actors: muted.actors,
            },
        }
    }
}

type Reply<T> = std::result::Result<Json<T>, Problem>;

async fn change(
    app: &App,
    caller: &Caller,
    act: Act,
    selector: SelectorBody,
) -> Reply<StandingBody> {
    let standing = inbox::change(app, &caller.0, act, selector.selector()?).await?;
    Ok(Json(standing.into()))
}

#[OpenApi(prefix_path = "/inbox", tag = "Tag::Inbox")]
impl InboxApi {
    /// A page of the own inbox
    ///
    /// Newest first. `next` is the `before` of the next page.
    #[oai(path = "/", method = "get", operation_id = "inbox")]
    async fn page(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        state: Query<Option<StateName>>,
        kind: Query<Option<String>>,
        before: Query<Option<u64>>,
        /// 1 to 100.
        limit: Query<Option<usize>>,
    ) -> Reply<InboxPage> {
        let query = inbox::Query {
            filter: state.0.unwrap_or_default().into(),
            kind: kind.0,
            before: before.0,
            limit: limit.0.unwrap_or(LIMIT),
        };
        let page = inbox::page(app.0, &caller.0, &query).await?;
        Ok(Json(InboxPage {
            items: page.items.into_iter().map(Into::into).collect(),
            counts: page.standing.counts.into(),
            epoch: page.standing.epoch,
            seq: page.standing.seq,
            next: page.next,
        }))
    }

    /// The counts alone
    #[oai(path = "/counts", method = "get", operation_id = "inbox_counts")]
    async fn counts(&self, app: Data<&Arc<App>>, caller: Caller) -> Reply<StandingBody> {
        Ok(Json(inbox::counts(app.0, &caller.0).await?.into()))
    }

    /// Mark items read
    #[oai(path = "/read", method = "post", operation_id = "read_items")]
    async fn read(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<SelectorBody>,
    ) -> Reply<StandingBody> {
        change(app.0, &caller, Act::Read, body.0).await
    }

    /// Mark items unread
    ///
    /// Archived ones are left alone.
    #[oai(path = "/unread", method = "post", operation_id = "unread_items")]
    async fn unread(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<SelectorBody>,
    ) -> Reply<StandingBody> {
        change(app.0, &caller, Act::Unread, body.0).await
    }

    /// Archive items
    ///
    /// They become read as well.
    #[oai(path = "/archive", method = "post", operation_id = "archive_items")]
    async fn archive(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<SelectorBody>,
    ) -> Reply<StandingBody> {
        change(app.0, &caller, Act::Archive, body.0).await
    }

    /// Take items back from the archive
    ///
    /// They stay read.
    #[oai(path = "/unarchive", method = "post", operation_id = "unarchive_items")]
    async fn unarchive(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<SelectorBody>,
    ) -> Reply<StandingBody> {
        change(app.0, &caller, Act::Unarchive, body.0).await
    }

    /// Move the `seen` pointer
    ///
    /// Up to `through` or the newest change, never back.
    #[oai(path = "/seen", method = "post", operation_id = "see_inbox")]
    async fn seen(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<Seen>,
    ) -> Reply<StandingBody> {
        let standing = inbox::see(app.0, &caller.0, body.through).await?;
        Ok(Json(standing.into()))
    }

    /// What is muted
    #[oai(path = "/preferences", method = "get", operation_id = "preferences")]
    async fn preferences(&self, app: Data<&Arc<App>>, caller: Caller) -> Reply<Preferences> {
        Ok(Json(inbox::preferences(app.0, &caller.0).await?.into()))
    }

    /// Replace what is muted
    ///
    /// Nothing new of a muted kind, group or actor is kept or told. What is there stays.
    #[oai(
        path = "/preferences",
        method = "put",
        operation_id = "set_preferences"
    )]
    async fn set_preferences(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        body: Json<Preferences>,
    ) -> Reply<Preferences> {
        let MutedBody {
            kinds,
            groups,
            actors,
        } = body.0.muted;
        let muted = Muted {
            kinds,
            groups,
            actors,
        };
        Ok(Json(inbox::mute(app.0, &caller.0, muted).await?.into()))
    }

    /// Delete an item
    #[oai(path = "/:id", method = "delete", operation_id = "delete_item")]
    async fn remove(
        &self,
        app: Data<&Arc<App>>,
        caller: Caller,
        id: Path<String>,
    ) -> Reply<StandingBody> {
        Ok(Json(inbox::remove(app.0, &caller.0, &id).await?.into()))
    }
}
