//! Plays a story on a real server and in the model, and compares after every step.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::client::{Client, View, text};
use super::list::{Chosen, List, Muted, Part, person};
use super::story::{BOTH, Cursor, Draft, Handle, Step, Story, Which, group, kind, object, word};
use crate::keys::Signer;
use crate::world::{Answer, FORUM_SECRET, Login, World};

/// Longer than the clock of any story goes.
const TOKEN_S: i64 = 100 * 366 * 24 * 3600;
/// An id that no item has.
const NOBODYS: &str = "00000000000000000000000000000000";

pub struct Member {
    pub id: String,
    pub login: Login,
    pub list: List,
    /// Always online, and one that comes and goes.
    pub devices: [Client; 2],
    /// What the first device knew after each step.
    pub views: Vec<View>,
}

pub struct Stage<'a> {
    pub world: &'a mut World,
    pub members: [Member; 2],
    /// Hours that went by.
    pub hour: u64,
    pub forum: &'a Login,
    pub number: u64,
    begun: Timestamp,
    /// Whether earlier stories' members got something as well.
    is_shared: bool,
}

/// Plays it with members who were never seen before.
pub async fn play(world: &mut World, forum: &Login, number: u64, story: &Story) {
    let begun = world.clock.now();
    let members = BOTH.map(|who| {
        let (id, iat) = (format!("{number}-{who}"), begun.as_second());
        let claims = json!({ "sub": id, "iat": iat, "exp": iat + TOKEN_S });
        let token = Signer::secret(FORUM_SECRET.as_bytes()).token(&claims);
        Member {
            id,
            login: Login { token },
            list: List::default(),
            devices: [Client::default(), Client::default()],
            views: Vec::new(),
        }
    });
    let mut stage = Stage {
        world,
        members,
        hour: 0,
        forum,
        number,
        begun,
        is_shared: false,
    };
    for who in BOTH {
        stage.connect(who, 0, Cursor::None).await;
        stage.connect(who, 1, Cursor::None).await;
    }
    for step in &story.0 {
        stage.step(step).await;
        stage.settle().await;
    }
    super::check::all(&mut stage).await;
}

impl Stage<'_> {
    async fn step(&mut self, step: &Step) {
        match step {
            Step::Publish(drafts) => self.publish(drafts).await,
            Step::Everyone(draft) => self.everyone(draft).await,
            Step::Transient(draft) => self.transient(draft).await,
            Step::Retract(handle) => self.retract(*handle).await,
            Step::Change { who, act, which } => {
                let chosen = self.chosen(*who, which);
                let member = &mut self.members[*who];
                member.list.act(*act, &chosen, self.hour);
                let path = format!("/api/v1/inbox/{}", act.name());
                let login = &member.login;
                let answer = login.post(self.world, &path, chosen.selector()).await;
                member.expect_standing(&answer);
            }
            Step::Visit { who, which } => {
                let chosen = self.chosen(*who, which);
                let member = &mut self.members[*who];
                member.list.act(super::story::Act::Read, &chosen, self.hour);
                let path = format!("/api/v1/users/{}/read", member.id);
                let answer = self.forum.post(self.world, &path, chosen.selector()).await;
                member.expect_standing(&answer);
            }
            Step::See { who, behind } => {
                let member = &mut self.members[*who];
                let through = member.list.seq.saturating_add_signed(-behind);
                member.list.see(through, self.hour);
                let body = json!({ "through": through });
                let login = &member.login;
                let answer = login.post(self.world, "/api/v1/inbox/seen", body).await;
                member.expect_standing(&answer);
            }
            Step::Delete { who, at } => self.delete(*who, *at).await,
            Step::Mute { who, muted } => self.mute(*who, muted).await,
            Step::Leave { who } => self.leave(*who).await,
            Step::Return { who, with } => {
                if self.members[*who].devices[1].socket.is_none() {
                    self.connect(*who, 1, *with).await;
                }
            }
            Step::Hours(hours) => {
                self.hour += hours;
                self.world.clock.advance(Duration::from_hours(*hours));
            }
            Step::Restart => self.restart().await,
        }
    }

    fn chosen(&self, who: usize, which: &Which) -> Chosen {
        let list = &self.members[who].list;
        let id = |at: &usize| {
            let item = list.items.get(*at);
            item.map_or_else(|| NOBODYS.to_owned(), |item| item.id.clone())
        };
        match which {
            Which::Ids(at) => Chosen::Ids(at.iter().map(id).collect()),
            Which::Group(index) => Chosen::Group(group(*index)),
            Which::Object(index) => Chosen::Object(word(self.number, 'o', *index)),
            Which::Kind(index) => Chosen::Kind(kind(*index)),
            Which::Through(behind) => Chosen::Through(list.seq.saturating_sub(*behind)),
            Which::All => Chosen::All,
        }
    }

    fn part(&self, draft: &Draft) -> Part {
        draft.part(self.number, self.hour)
    }

    fn body(&self, draft: &Draft) -> Value {
        let part = self.part(draft);
        let to: Vec<_> = draft.to.iter().map(|who| &self.members[*who].id).collect();
        let expires_at = part.expires_h.map(|hour| {
            let hour = i64::try_from(hour).expect("an hour");
            (self.begun + SignedDuration::from_hours(hour)).to_string()
        });
        json!({
            "to": to, "kind": part.kind, "title": part.title, "key": part.key,
            "group": part.group, "actor": part.actor.as_deref().map(person),
            "object": part.object.as_deref().map(object), "expires_at": expires_at,
        })
    }

    async fn publish(&mut self, drafts: &[Draft]) {
        let bodies: Vec<_> = drafts.iter().map(|draft| self.body(draft)).collect();
        let receipts = if let [body] = &bodies[..] {
            vec![self.forum.publish(self.world, body.clone()).await]
        } else {
            let path = "/api/v1/notifications/batch";
            let body = json!({ "items": bodies });
            let answer = self.forum.post(self.world, path, body).await;
            let batch = answer.expect_status(StatusCode::OK).json();
            batch["items"].as_array().expect("receipts").clone()
        };
        for (draft, receipt) in drafts.iter().zip(receipts) {
            let (part, id) = (self.part(draft), text(&receipt["id"]));
            let expected = draft.to.iter().map(|who| {
                let member = &mut self.members[*who];
                let sockets = member.online();
                match member.list.publish(&id, part.clone(), self.hour) {
                    Some(seq) => json!({
                        "to": member.id, "seq": seq, "unread": member.list.unread(), "sockets": sockets,
                    }),
                    None => json!({ "to": member.id, "error": { "code": "muted" } }),
                }
            });
            let expected: Vec<_> = expected.collect();
            assert_eq!(receipt["results"], json!(expected), "{draft:?}");
        }
    }

    async fn everyone(&mut self, draft: &Draft) {
        self.is_shared = true;
        let mut body = self.body(draft);
        body["to"] = "*".into();
        let receipt = self.forum.publish(self.world, body).await;
        let (part, id) = (self.part(draft), text(&receipt["id"]));
        for member in &mut self.members {
            member.list.publish(&id, part.clone(), self.hour);
        }
    }

    /// It is heard and leaves nothing behind.
    async fn transient(&mut self, draft: &Draft) {
        let mut body = self.body(draft);
        body["transient"] = true.into();
        self.forum.publish(self.world, body).await;
        let part = self.part(draft);
        for who in &draft.to {
            let member = &mut self.members[*who];
            if member.list.muted.covers(&part) {
                continue;
            }
            for device in &mut member.devices {
                if device.socket.is_some() {
                    let (name, body) = device.hear().await;
                    assert_eq!(
                        (&*name, &body["item"]["seq"]),
                        ("inbox.transient", &Value::Null)
                    );
                }
            }
        }
    }

    async fn retract(&mut self, handle: Handle) {
        let (path, word) = match handle {
            Handle::Key(index) => ("/by-key/", word(self.number, 'k', index)),
            Handle::Object(index) => (
                "?object_type=post&object_id=",
                word(self.number, 'o', index),
            ),
            Handle::Actor(index) => ("?actor=", word(self.number, 'a', index)),
        };
        let path = format!("/api/v1/notifications{path}{word}");
        let answer = self.forum.delete(self.world, &path).await;
        let answer = answer.expect_status(StatusCode::OK).json();
        let is_meant = |part: &Part| {
            let said = match handle {
                Handle::Key(_) => &part.key,
                Handle::Object(_) => &part.object,
                Handle::Actor(_) => &part.actor,
            };
            said.as_ref() == Some(&word)
        };
        let lists = self.members.iter_mut();
        let retracted: usize = lists.map(|at| at.list.retract(is_meant, self.hour)).sum();
        if !self.is_shared {
            assert_eq!(answer, json!({ "retracted": retracted }));
        }
    }

    async fn delete(&mut self, who: usize, at: usize) {
        let member = &mut self.members[who];
        let id = member.list.items.get(at).map(|item| item.id.clone());
        let path = format!("/api/v1/inbox/{}", id.as_deref().unwrap_or(NOBODYS));
        let answer = member.login.delete(self.world, &path).await;
        if id.is_some() {
            member.list.delete(at, self.hour);
            member.expect_standing(&answer);
        } else {
            answer.expect_problem(404, "not_found");
        }
    }

    async fn mute(&mut self, who: usize, muted: &super::story::Muted) {
        let member = &mut self.members[who];
        member.list.muted = Muted {
            kind: muted.kind.map(kind),
            group: muted.group.map(group),
            actor: muted.actor.map(|actor| word(self.number, 'a', actor)),
        };
        let Muted { kind, group, actor } = &member.list.muted;
        let list = |word: &Option<String>| word.iter().cloned().collect::<Vec<_>>();
        let muted = json!({ "kinds": list(kind), "groups": list(group), "actors": list(actor) });
        let body = json!({ "muted": muted });
        let put = self.world.request(Method::PUT, "/api/v1/inbox/preferences");
        let answer = Answer::of(put.bearer_auth(&member.login.token).json(&body)).await;
        assert_eq!(answer.json(), body);
    }

    /// Waits until the devices have heard everything, and compares them with the model.
    async fn settle(&mut self) {
        for member in &mut self.members {
            member.list.look();
            member.list.expire(self.hour);
            member.list.look();
            for device in &mut member.devices {
                if device.socket.is_none() {
                    continue;
                }
                while device.view.seq < member.list.seq {
                    let (_, body) = device.hear().await;
                    if let Some(counts) = member.list.counts_at(device.view.seq) {
                        assert_eq!(&body["counts"], counts, "{body}");
                    }
                }
                member.list.expect(&device.view);
            }
            member.views.push(member.devices[0].view.clone());
        }
    }
}

impl Member {
    fn online(&self) -> usize {
        let online = self.devices.iter().filter(|at| at.socket.is_some());
        online.count()
    }

    fn expect_standing(&self, answer: &Answer) {
        let (epoch, list) = (&self.devices[0].view.epoch, &self.list);
        let standing = json!({ "epoch": epoch, "seq": list.seq, "counts": list.counts() });
        assert_eq!(answer.expect_status(StatusCode::OK).json(), standing);
    }
}

impl List {
    /// Checks that a client knows what there is.
    pub fn expect(&self, view: &View) {
        assert_eq!(view.shown(), self.shown(|_| true));
        assert_eq!((view.seq, &view.counts), (self.seq, &self.counts()));
    }
}
