//! Members the forum vouches for: what they may do, and how their tokens end.

use std::time::Duration;

use bellrope::config::Settings;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::keys::Signer;
use crate::socket::{Heard, Socket, ended, message};
use crate::world::{Answer, Login, World};

const SECRET: &str = "a secret that the forum knows as well";

/// A server beside a forum.
async fn world() -> World {
    World::with(Settings {
        forum_secret: Some(SECRET.parse().expect("a secret")),
        ..Settings::default()
    })
    .await
}

/// What the forum puts into its page: good for this many seconds from now.
fn token(world: &World, sub: &str, seconds: i64) -> String {
    let now = world.clock.now().as_second();
    let claims = json!({ "sub": sub, "name": "Ann", "iat": now, "exp": now + seconds });
    Signer::secret(SECRET.as_bytes()).token(&claims)
}

fn member(world: &World, sub: &str) -> Login {
    Login {
        token: token(world, sub, 3600),
    }
}

/// An API key of this scope.
async fn key(world: &World, scope: &str) -> Login {
    let body = json!({ "name": "forum", "scopes": [scope] });
    let answer = world.admin().await.post(world, "/api/v1/keys", body).await;
    let token = answer.json()["key"].as_str().expect("a key").to_owned();
    Login { token }
}

async fn is_over(socket: &mut Socket, reason: &str) {
    assert_eq!(socket.next().await, ended(reason));
    assert!(matches!(
        socket.next().await,
        Heard::Disconnected | Heard::Closed
    ));
}

/// The next age it hears.
async fn age(socket: &mut Socket) -> Value {
    match socket.next().await {
        Heard::Event(name, age) if name == "message" => age,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_forum_s_member_is_one_without_an_account_here() {
    let world = world().await;
    let ann = member(&world, "42");
    let me = ann.get(&world, "/api/v1/me").await;
    let expected =
        json!({ "id": "42", "name": "Ann", "role": "member", "age": 0, "update_date": null });
    assert_eq!(me.expect_status(StatusCode::OK).json(), expected);

    let mut socket = Socket::open(&world, &ann.token).await;
    assert_eq!(socket.ready["user"], expected);
    let mut old = Socket::connect_v2(&world, &format!("token=Bearer%20{}", ann.token)).await;
    assert_eq!(old.next().await, message("hello"));
    old.read_ready().await;
    let mut other = Socket::open(&world, &token(&world, "43", 60)).await;
    assert_eq!(ann.add_age(&world).await, 1);
    // The demo's route counts for any member, whoever minted the token.
    let insert = world.request(Method::POST, "/api/insert");
    let answer = Answer::of(insert.bearer_auth(&ann.token)).await;
    assert_eq!(answer.json()["code"], 200, "{}", answer.text);
    for socket in [&mut socket, &mut old] {
        assert_eq!((age(socket).await, age(socket).await), (json!(1), json!(2)));
    }
    member(&world, "43").add_age(&world).await;
    assert_eq!(age(&mut other).await, 1, "and nothing of the other's");
}

#[tokio::test]
async fn what_belongs_to_an_own_account_is_not_for_a_forum_s_member() {
    let world = world().await;
    let ann = member(&world, "42");
    let password = json!({ "current": "correct horse", "new": "correct horses" });
    for (method, path, body) in [
        (Method::GET, "/api/v1/me/sessions", None),
        (Method::DELETE, "/api/v1/me/sessions/1", None),
        (Method::POST, "/api/v1/me/password", Some(password)),
        (Method::POST, "/api/v1/logout", None),
    ] {
        let request = world.request(method.clone(), path).bearer_auth(&ann.token);
        let answer = Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        });
        answer.await.expect_problem(403, "not_an_account");
    }
    for path in ["/api/v1/accounts", "/api/v1/keys"] {
        let answer = ann.get(&world, path).await;
        answer.expect_problem(403, "scope_missing");
    }
    assert_eq!(ann.age(&world).await, 0, "the token is still good");
}

#[tokio::test]
async fn only_the_forum_that_is_set_vouches() {
    let world = world().await;
    let root = world.admin().await;
    let forged = |sub: &str| {
        let now = world.clock.now().as_second();
        let claims = json!({ "sub": sub, "iat": now, "exp": now + 60 });
        Signer::secret(b"a secret that the forum does not know").token(&claims)
    };
    // A claim to be the administrator, whose id begins with `@`; a role nobody asked for.
    let now = world.clock.now().as_second();
    let claims = json!({ "sub": "42", "iat": now, "exp": now + 60, "role": "admin" });
    let promoted = Signer::secret(SECRET.as_bytes()).token(&claims);
    let me = Login { token: promoted }.get(&world, "/api/v1/me").await;
    assert_eq!(me.json()["role"], "member");
    let stranger = World::new().await;
    for (world, token, code) in [
        (&world, forged("42"), "token_invalid"),
        (&world, token(&world, "@root", 60), "token_invalid"),
        (&world, token(&world, "42", -5), "token_expired"),
        (&world, token(&world, "*", 60), "token_invalid"),
        // A server without a forum believes none.
        (&stranger, token(&world, "42", 60), "token_invalid"),
        (&stranger, root.token.clone(), "token_invalid"),
    ] {
        let login = Login { token };
        let answer = login.get(world, "/api/v1/me").await;
        answer.expect_problem(401, code);
        let mut socket = Socket::connect(world, json!({ "token": login.token })).await;
        let refusal = json!({ "message": format!("unauthorized: {code}") });
        assert_eq!(socket.next().await, Heard::Refused(refusal));
    }
    // Beside the forum's members, own accounts live as before.
    assert_eq!(root.get(&world, "/api/v1/me").await.json()["id"], "@root");
}

#[tokio::test]
async fn a_token_that_expires_ends_its_sockets_and_no_others() {
    let world = world().await;
    let mut short = Socket::open(&world, &token(&world, "42", 60)).await;
    let mut long = Socket::open(&world, &token(&world, "42", 600)).await;
    world.clock.advance(Duration::from_secs(61));
    is_over(&mut short, "expired").await;
    member(&world, "42").add_age(&world).await;
    assert_eq!(age(&mut long).await, 1);
    world.clock.advance(Duration::from_mins(10));
    is_over(&mut long, "expired").await;
}

#[tokio::test]
async fn a_fresh_token_keeps_a_socket_that_is_open() {
    let world = world().await;
    let mut socket = Socket::open(&world, &token(&world, "42", 60)).await;
    let until = socket.ready["expires_at"].clone();
    let fresh = token(&world, "42", 600);
    let answer = socket
        .ask(
            "session.refresh",
            json!({ "token": format!("Bearer {fresh}") }),
        )
        .await;
    let expires_at = answer["expires_at"].as_str().expect("a time");
    assert!(expires_at > until.as_str().expect("a time"), "{answer}");
    world.clock.advance(Duration::from_mins(5));
    // Longer than it takes to look for expired ones.
    let heard = socket.within(Duration::from_millis(1500)).await;
    assert_eq!(heard, None);
    member(&world, "42").add_age(&world).await;
    assert_eq!(age(&mut socket).await, 1);
    world.clock.advance(Duration::from_mins(5));
    is_over(&mut socket, "expired").await;
}

#[tokio::test]
async fn a_token_that_is_not_the_same_member_s_refreshes_nothing() {
    let world = world().await;
    let root = world.admin().await;
    let key = key(&world, "publish").await;
    let mut socket = Socket::open(&world, &token(&world, "42", 60)).await;
    for (data, code) in [
        (json!({ "token": token(&world, "43", 600) }), "wrong_member"),
        (json!({ "token": root.token }), "wrong_member"),
        (
            json!({ "token": token(&world, "42", -10) }),
            "token_expired",
        ),
        (json!({ "token": "x" }), "token_invalid"),
        (json!({ "token": "" }), "token_invalid"),
        (json!({ "token": key.token }), "token_invalid"),
        (json!({ "token": null }), "malformed"),
        (json!({}), "malformed"),
        (json!("x"), "malformed"),
    ] {
        let answer = socket.ask("session.refresh", data.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{data}: {answer}");
        let detail = answer["error"]["detail"].as_str();
        assert!(detail.is_some_and(|detail| !detail.is_empty()));
    }
    // An own account's session is not lengthened by the forum's word either.
    let mut own = Socket::open(&world, &root.token).await;
    let fresh = json!({ "token": token(&world, "42", 600) });
    let answer = own.ask("session.refresh", fresh.clone()).await;
    assert_eq!(answer["error"]["code"], "wrong_member");
    let mut nobody = Socket::connect(&world, json!({})).await;
    assert_eq!(nobody.next().await, message("hello"));
    let answer = nobody.ask("session.refresh", fresh).await;
    assert_eq!(answer["error"]["code"], "token_missing");

    member(&world, "43").add_age(&world).await;
    member(&world, "42").add_age(&world).await;
    assert_eq!(age(&mut socket).await, 1, "still the same member's");
    world.clock.advance(Duration::from_secs(61));
    is_over(&mut socket, "expired").await;
}

#[tokio::test]
async fn an_own_account_s_socket_moves_on_to_its_next_session() {
    let world = world().await;
    let old = world.account("ann").await;
    let new = world.login("ann", crate::world::PASSWORD).await;
    let mut socket = Socket::open(&world, &old.token).await;
    let answer = socket
        .ask("session.refresh", json!({ "token": new.token }))
        .await;
    assert!(answer["expires_at"].is_string(), "{answer}");
    let logout = old.post(&world, "/api/v1/logout", json!({})).await;
    logout.expect_status(StatusCode::OK);
    new.add_age(&world).await;
    assert_eq!(
        age(&mut socket).await,
        1,
        "the old session is not its any more"
    );
    new.post(&world, "/api/v1/logout", json!({})).await;
    is_over(&mut socket, "logged_out").await;
}

/// What is told while a token is changed is heard once, like everything else.
#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_refreshes_misses_nothing() {
    const PRESSES: u64 = 400;
    let world = world().await;
    let ann = member(&world, "42");
    let mut socket = Socket::open(&world, &ann.token).await;
    let pressing = join_all((0..PRESSES).map(|_| ann.add_age(&world)));
    let refresh = json!(["session.refresh", { "token": ann.token }]);
    let refreshing = async {
        let mut heard = Vec::new();
        for asked in 1000.. {
            socket.send(format!("42{asked}{refresh}")).await;
            match socket.next().await {
                Heard::Event(_, age) => heard.push(age.as_u64().expect("an age")),
                Heard::Answer(_, answer) => assert!(answer["error"].is_null(), "{answer}"),
                other => panic!("{other:?}"),
            }
            if heard.last() == Some(&PRESSES) {
                break;
            }
        }
        heard
    };
    let (_, heard) = tokio::join!(pressing, refreshing);
    assert_eq!(heard, (1..=PRESSES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_member_the_forum_signs_out_is_out_until_it_vouches_again() {
    let world = world().await;
    let key = key(&world, "inbox").await;
    let ann = member(&world, "42");
    let bob = member(&world, "43");
    let mut sockets = [
        Socket::open(&world, &ann.token).await,
        Socket::open(&world, &token(&world, "42", 60)).await,
    ];
    let mut other = Socket::open(&world, &bob.token).await;
    world.clock.advance(Duration::from_secs(2));

    let publisher = self::key(&world, "publish").await;
    for stranger in [&ann, &publisher] {
        let answer = stranger
            .post(&world, "/api/v1/users/42/sign-out", json!({}))
            .await;
        answer.expect_problem(403, "scope_missing");
    }
    let done = key
        .post(&world, "/api/v1/users/42/sign-out", json!({}))
        .await;
    assert_eq!(done.expect_status(StatusCode::OK).json(), json!({}));
    for socket in &mut sockets {
        is_over(socket, "signed_out").await;
    }
    let refused = ann.get(&world, "/api/v1/me").await;
    refused.expect_problem(401, "token_revoked");
    let mut late = Socket::connect(&world, json!({ "token": ann.token })).await;
    let refusal = json!({ "message": "unauthorized: token_revoked" });
    assert_eq!(late.next().await, Heard::Refused(refusal));
    bob.add_age(&world).await;
    assert_eq!(age(&mut other).await, 1, "nobody else is out");

    // What the forum signs from now on is good.
    world.clock.advance(Duration::from_secs(2));
    let again = member(&world, "42");
    assert_eq!(again.age(&world).await, 0);
    Socket::open(&world, &again.token).await;
}

#[tokio::test]
async fn an_own_account_can_be_signed_out_as_well() {
    let world = world().await;
    let key = key(&world, "inbox").await;
    let ann = world.account("ann").await;
    let mut socket = Socket::open(&world, &ann.token).await;
    let done = key
        .post(&world, "/api/v1/users/%40ann/sign-out", json!({}))
        .await;
    done.expect_status(StatusCode::OK);
    is_over(&mut socket, "signed_out").await;
    let refused = ann.get(&world, "/api/v1/me").await;
    refused.expect_problem(401, "token_revoked");
    let again = world.login("ann", crate::world::PASSWORD).await;
    assert_eq!(again.age(&world).await, 0);
}

#[tokio::test]
async fn a_restart_keeps_what_a_forum_s_member_has_and_who_is_signed_out() {
    let mut world = world().await;
    let key = key(&world, "inbox").await;
    let (ann, bob) = (member(&world, "42"), member(&world, "43"));
    assert_eq!(
        (ann.add_age(&world).await, bob.add_age(&world).await),
        (1, 1)
    );
    world.clock.advance(Duration::from_secs(2));
    key.post(&world, "/api/v1/users/42/sign-out", json!({}))
        .await
        .expect_status(StatusCode::OK);
    world.restart().await;
    let refused = ann.get(&world, "/api/v1/me").await;
    refused.expect_problem(401, "token_revoked");
    assert_eq!(bob.age(&world).await, 1);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(member(&world, "42").age(&world).await, 1);
}
