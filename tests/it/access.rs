//! Who may what: every caller on every operation, with all that is Bob's in its parameters. Made
//! from the API's description, so that an operation that is new has to say here whom it is for.

mod event;
mod request;
mod victim;

use std::collections::BTreeSet;

use bellrope::config::{Registration, Settings};

use request::{Asked, Description};
use victim::{Bob, MARK};

use crate::world::{Answer, Login, World};

/// Whom an operation is for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Door {
    /// Whoever comes; what they are answered who know only Bob's name.
    Anybody(&'static str),
    /// A member, about themselves.
    Member,
    /// The same with an own account.
    Account,
    /// A key with this scope, and administrators.
    Scope(&'static str),
    /// A key with either, and administrators.
    Either(&'static str, &'static str),
    /// Whoever owns the server's files, and nobody over the network.
    Operator,
}

use Door::{Account, Anybody, Either, Member, Operator, Scope};

/// Every operation. In this order Bob can be asked for, changed and taken apart: what is at the
/// end leaves nothing for what is before it.
const DOORS: [(&str, Door); 45] = [
    ("GET /server", Anybody("")),
    ("POST /setup", Anybody("token_invalid")),
    ("POST /register", Anybody("exists")),
    ("POST /login", Anybody("login_failed")),
    ("POST /tokens", Operator),
    ("GET /me", Member),
    ("POST /me/age", Member),
    ("GET /inbox", Member),
    ("GET /inbox/counts", Member),
    ("POST /inbox/read", Member),
    ("POST /inbox/unread", Member),
    ("POST /inbox/archive", Member),
    ("POST /inbox/unarchive", Member),
    ("POST /inbox/seen", Member),
    ("GET /inbox/preferences", Member),
    ("PUT /inbox/preferences", Member),
    ("DELETE /inbox/{id}", Member),
    ("GET /me/sessions", Account),
    ("DELETE /me/sessions/{id}", Account),
    ("POST /me/password", Account),
    ("POST /logout", Account),
    ("POST /presence", Scope("presence")),
    ("POST /tokens/check", Scope("admin")),
    ("GET /accounts", Scope("admin")),
    ("POST /accounts", Scope("admin")),
    ("GET /keys", Scope("admin")),
    ("GET /statistics", Scope("admin")),
    ("GET /users/{id}", Scope("admin")),
    ("GET /backup", Scope("admin")),
    ("GET /check", Scope("admin")),
    ("GET /export", Scope("admin")),
    ("POST /keys", Scope("admin")),
    ("DELETE /keys/{id}", Scope("admin")),
    ("POST /notifications", Scope("publish")),
    ("POST /notifications/batch", Scope("publish")),
    ("POST /users/{id}/notify", Scope("publish")),
    ("POST /users/{id}/read", Scope("inbox")),
    ("DELETE /notifications/by-key/{key}", Scope("publish")),
    ("DELETE /notifications", Scope("publish")),
    ("POST /users/{id}/sign-out", Either("inbox", "admin")),
    ("DELETE /users/{id}", Scope("inbox")),
    ("POST /accounts/{name}/disable", Scope("admin")),
    ("POST /accounts/{name}/enable", Scope("admin")),
    ("POST /accounts/{name}/password", Scope("admin")),
    ("DELETE /accounts/{name}", Scope("admin")),
];

const SCOPES: [&str; 4] = ["publish", "presence", "inbox", "admin"];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Caller {
    Nobody,
    /// Somebody else, with an own account.
    Ann,
    /// Somebody else, by the forum's word.
    Other,
    Key(&'static [&'static str]),
    Admin,
    Bob,
    BobByTheForum,
}

impl Caller {
    async fn login(self, world: &World, bob: &Bob) -> Option<Login> {
        Some(match self {
            Self::Nobody => return None,
            Self::Ann => world.account("ann").await,
            Self::Other => world.member("a-7"),
            Self::Key(scopes) => world.key(scopes).await,
            Self::Admin => world.admin().await,
            Self::Bob => bob.desk.clone(),
            Self::BobByTheForum => bob.member.clone(),
        })
    }

    fn is_bob(self) -> bool {
        matches!(self, Self::Bob | Self::BobByTheForum)
    }

    /// The code it is refused by at this door, if it is.
    fn refusal(self, door: Door) -> Option<&'static str> {
        let has = |scope| match self {
            Self::Key(scopes) => scopes.contains(&scope),
            other => other == Self::Admin,
        };
        match (door, self) {
            (Anybody(_), _) => None,
            (_, Self::Nobody) => Some("token_missing"),
            (Member | Account, Self::Key(_)) => Some("not_a_member"),
            (Account, Self::Other | Self::BobByTheForum) => Some("not_an_account"),
            (Member | Account, _) => None,
            (Scope(scope), _) if has(scope) => None,
            (Either(one, other), _) if has(one) || has(other) => None,
            (Scope(_) | Either(..) | Operator, _) => Some("scope_missing"),
        }
    }
}

/// One caller's visit.
struct Visit {
    world: World,
    bob: Bob,
    caller: Caller,
    login: Option<Login>,
    description: Description,
}

impl Visit {
    async fn begin(caller: Caller) -> Self {
        let settings = Settings {
            registration: Some(Registration::Open),
            ..Settings::default()
        };
        let world = World::forum_with(settings).await;
        let bob = Bob::settle(&world).await;
        Self {
            login: caller.login(&world, &bob).await,
            description: Description::of(&world).await,
            world,
            bob,
            caller,
        }
    }

    /// What each request of an operation is answered, and whether Bob shines through.
    async fn ask(&self, operation: &str) -> Vec<(Asked, Answer)> {
        let mut answers = Vec::new();
        let requests = self.description.requests(operation, &self.bob.words());
        for asked in requests {
            let answer = asked.by(&self.world, self.login.as_ref()).await;
            answers.push((asked, answer));
        }
        answers
    }

    /// What it has no business at: refused, by the right code.
    async fn where_it_may_not(&self) {
        for (operation, door) in DOORS {
            let Some(code) = self.caller.refusal(door) else {
                continue;
            };
            let status = if code == "token_missing" { 401 } else { 403 };
            for (asked, answer) in self.ask(operation).await {
                let by = (self.caller, asked);
                assert_eq!(answer.json()["code"], code, "{by:?}: {answer:?}");
                answer.expect_problem(status, code);
                self.expect_no_mark(operation, &answer);
            }
        }
    }

    /// What is everybody's own: it is about the caller, whatever of Bob's it names.
    async fn where_all_have_their_own(&self) {
        for (operation, door) in DOORS {
            let is_theirs = matches!(door, Anybody(_) | Member | Account);
            if !is_theirs || self.caller.refusal(door).is_some() {
                continue;
            }
            let code = match door {
                Anybody(code) => code,
                // Bob's item and Bob's session are not there.
                _ if operation.contains('{') => "not_found",
                // Bob's password is not theirs.
                _ if operation == "POST /me/password" => "field_invalid",
                _ => "",
            };
            for (asked, answer) in self.ask(operation).await {
                let found = answer.json()["code"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                assert_eq!(found, code, "{:?} {asked:?}: {answer:?}", self.caller);
                self.expect_no_mark(operation, &answer);
            }
        }
    }

    /// What it is for: the same requests, and now they find what they name.
    async fn where_it_may(&self) {
        for (operation, door) in DOORS {
            let is_for = match door {
                Anybody(_) | Operator => false,
                Member | Account => self.caller.is_bob(),
                Scope(_) | Either(..) => true,
            };
            if !is_for || self.caller.refusal(door).is_some() {
                continue;
            }
            // There is a Bob already.
            let code = if operation == "POST /accounts" {
                "exists"
            } else {
                ""
            };
            let answers = self.ask(operation).await;
            // A backup is no JSON, and no refusal.
            let found = |(_, answer): &(Asked, Answer)| match code {
                "" => answer.status.is_success(),
                code => answer.json()["code"] == code,
            };
            let by = self.caller;
            assert!(answers.iter().any(found), "{by:?} {operation}: {answers:?}");
            for (asked, answer) in answers {
                assert_ne!(answer.status, 403, "{by:?} {asked:?}: {answer:?}");
            }
        }
    }

    fn expect_no_mark(&self, operation: &str, answer: &Answer) {
        let seen = format!("{answer:?}");
        assert!(
            !seen.contains(MARK),
            "{:?} {operation}: {seen}",
            self.caller
        );
    }
}

#[tokio::test]
async fn every_operation_says_whom_it_is_for() {
    let world = World::new().await;
    let described = Description::of(&world).await.operations();
    let known: BTreeSet<_> = DOORS.map(|(operation, _)| operation.to_owned()).into();
    assert_eq!(described, known);
}

#[tokio::test]
async fn whoever_comes_gets_what_is_theirs_and_nothing_of_bobs() {
    let strangers = [Caller::Nobody, Caller::Ann, Caller::Other, Caller::Admin];
    let keys = [
        &SCOPES[..1],
        &SCOPES[1..2],
        &SCOPES[2..3],
        &SCOPES[3..],
        &SCOPES,
    ];
    for caller in strangers.into_iter().chain(keys.map(Caller::Key)) {
        let mut visit = Visit::begin(caller).await;
        let before = visit.bob.state(&visit.world).await;
        visit.where_it_may_not().await;
        visit.where_all_have_their_own().await;
        assert_eq!(visit.bob.state(&visit.world).await, before, "{caller:?}");
        let by = format!("{caller:?}");
        visit.bob.expect_peace(&visit.world, &by).await;
        // Who asked for their own password or logged out has a new login.
        if caller == Caller::Admin {
            visit.login = Some(visit.world.admin().await);
        }
        visit.where_it_may().await;
    }
}

/// The same requests, when they are Bob's, do find what they name: without this the refusals
/// above could be of anything.
#[tokio::test]
async fn bob_gets_all_that_is_his() {
    for caller in [Caller::Bob, Caller::BobByTheForum] {
        let visit = Visit::begin(caller).await;
        visit.where_it_may_not().await;
        visit.where_it_may().await;
    }
}
