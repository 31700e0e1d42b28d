//! Every kind of token that is none, at every door: HTTP, the demo's route, and sockets old and new.

mod ended;
mod forged;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::keys::base64;
use crate::socket::{Heard, Socket, message};
use crate::world::{Answer, Login, World};

const INVALID: &str = "token_invalid";
const EXPIRED: &str = "token_expired";
const REVOKED: &str = "token_revoked";

/// What is wrong with it, the token, and the code it is refused by.
type Row = (&'static str, String, &'static str);

/// What the demo's route answers, and what is heard by the sockets: v4 in `auth`, with and without `Bearer`, v4 and
/// v2 in the query.
async fn at_the_other_doors(world: &World, token: &str) -> (Value, [Heard; 4]) {
    let insert = world.request(Method::POST, "/api/insert");
    let insert = Answer::of(insert.bearer_auth(token)).await.json();
    let query = format!("token=Bearer%20{token}");
    let mut sockets = [
        Socket::connect(world, json!({ "token": token })).await,
        Socket::connect(world, json!({ "token": format!("Bearer {token}") })).await,
        Socket::connect_with(world, &query, json!({})).await,
        Socket::connect_v2(world, &query).await,
    ];
    let mut heard = Vec::new();
    for socket in &mut sockets {
        heard.push(socket.next().await);
    }
    (insert, heard.try_into().expect("as many"))
}

pub async fn refused(world: &World, rows: impl IntoIterator<Item = Row>) {
    for (what, token, code) in rows {
        let login = Login { token };
        let answer = login.get(world, "/api/v1/me").await;
        assert_eq!(answer.json()["code"], code, "{what}: {answer:?}");
        answer.expect_problem(401, code);
        refused_beside_the_api(world, what, &login, code).await;
    }
}

async fn refused_beside_the_api(world: &World, what: &str, login: &Login, code: &str) {
    let (insert, heard) = at_the_other_doors(world, &login.token).await;
    let envelope = json!({ "code": 401, "message": "请登录在进行操作！" });
    assert_eq!(insert, envelope, "{what}");
    let refusal = json!({ "message": format!("unauthorized: {code}") });
    for heard in heard {
        assert_eq!(heard, Heard::Refused(refusal.clone()), "{what}");
    }
}

/// The twin of what is refused: it differs in nothing else, and every door is open to it.
async fn let_in(world: &World, token: &str) {
    let login = Login {
        token: token.to_owned(),
    };
    let me = login.get(world, "/api/v1/me").await;
    me.expect_status(StatusCode::OK);
    let (insert, heard) = at_the_other_doors(world, token).await;
    assert_eq!(insert["code"], 200);
    assert!(
        heard.iter().all(|heard| *heard == message("hello")),
        "{heard:?}"
    );
}

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    let decoded = jsonwebtoken::dangerous::insecure_decode::<Value>(token);
    decoded.expect("a token").claims
}

/// The same claims, but for what `changed` says; `null` takes one out.
fn with(claims: &Value, changed: Value) -> Value {
    let mut claims = claims.clone();
    let Value::Object(changed) = changed else {
        panic!("claims are an object");
    };
    let all = claims.as_object_mut().expect("claims");
    for (name, value) in changed {
        all.insert(name, value);
    }
    all.retain(|_, value| !value.is_null());
    claims
}

/// Signed as we sign, or as somebody else with that algorithm and that kind.
fn sign(algorithm: Algorithm, typ: Option<&str>, claims: &Value, secret: &[u8]) -> String {
    let mut header = Header::new(algorithm);
    header.typ = typ.map(str::to_owned);
    let key = EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&header, claims, &key).expect("a token")
}

/// What can be done to any token without its key.
fn touched(token: &str, other_claims: &Value) -> Vec<Row> {
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts[..] else {
        panic!("a token has three parts");
    };
    let other = base64(other_claims.to_string());
    let typ = jsonwebtoken::decode_header(token).expect("a header").typ;
    let unsigned = |algorithm: &str| base64(json!({ "alg": algorithm, "typ": typ }).to_string());
    let [none, shouted, mixed] = ["none", "NONE", "nOnE"].map(unsigned);
    [
        ("no signature", format!("{head}.{body}.")),
        ("no third part", format!("{head}.{body}")),
        ("other claims", format!("{head}.{other}.{signature}")),
        ("alg none", format!("{none}.{body}.")),
        ("alg none, other claims", format!("{none}.{other}.")),
        ("alg none, signed", format!("{none}.{body}.{signature}")),
        ("alg NONE", format!("{shouted}.{body}.")),
        ("alg nOnE, signed", format!("{mixed}.{body}.{signature}")),
        ("a shorter signature", token[..token.len() - 4].to_owned()),
        ("a part more", format!("{token}.{signature}")),
        ("something after it", format!("{token}=")),
        ("no token", "abc".to_owned()),
        ("dots", "..".to_owned()),
    ]
    .map(|(what, token)| (what, token, INVALID))
    .into()
}
