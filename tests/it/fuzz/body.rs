//! Bodies, tokens and keys: what is decoded before anybody is asked anything.

use std::fmt;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::Place;
use super::corpus::{self, Bytes};
use super::dice::Dice;
use crate::world::Answer;

const BODIES: &str = include_str!("../../corpus/body.txt");
/// Deeper than any parser that calls itself should go.
const DEPTH: usize = 10_000;

struct Call {
    method: Method,
    path: String,
    is_member: bool,
    body: Bytes,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} member={} {}",
            self.method, self.path, self.is_member, self.body
        )
    }
}

impl Call {
    fn of(line: &Bytes, is_member: bool) -> Self {
        let mut parts = line.0.splitn(3, |byte| *byte == b' ');
        let mut next = || parts.next().expect("a method, a path and a body");
        Self {
            method: Method::from_bytes(next()).expect("a method"),
            path: String::from_utf8(next().to_vec()).expect("a path"),
            is_member,
            body: Bytes(next().to_vec()),
        }
    }
}

#[tokio::test]
async fn bodies_of_any_kind_are_taken_or_refused() {
    let mut place = Place::new().await;
    let known = corpus::read(BODIES);
    let calls = known
        .iter()
        .flat_map(|line| [Call::of(line, false), Call::of(line, true)]);
    let deep = ["[", "{\"a\":"].map(|open| Call {
        body: Bytes(open.repeat(DEPTH).into_bytes()),
        ..Call::of(&known[0], true)
    });
    let calls: Vec<_> = calls.chain(deep).collect();
    let random = |dice: &mut Dice| {
        let mut call = Call::of(dice.pick(&known), dice.below(2) == 0);
        let parsed = serde_json::from_slice(&call.body.0);
        match parsed {
            Ok(mut value) if dice.below(2) == 0 => {
                spoil(dice, &mut value);
                call.body = Bytes(value.to_string().into_bytes());
            }
            _ => {
                let others: Vec<_> = known.iter().map(|line| line.0.as_slice()).collect();
                dice.mutate(&mut call.body.0, &others);
            }
        }
        call
    };
    place.play(calls, random, send).await;
    place.end().await;
}

async fn send(place: &Place, call: &Call) {
    let token = if call.is_member {
        &place.eve.token
    } else {
        &place.key.token
    };
    let url = place.server.url(&call.path);
    let request = place
        .http
        .request(call.method.clone(), url)
        .bearer_auth(token);
    let request = request
        .header("Content-Type", "application/json")
        .body(call.body.0.clone());
    let answer = Answer::of(request).await;
    // The demo's route answers in an envelope with 200, but for what the front refuses.
    if answer.status != StatusCode::OK {
        let code = answer.json()["code"].as_str().map(str::to_owned);
        assert!(answer.status.is_client_error(), "{answer:?}");
        answer.expect_problem(answer.status.as_u16(), &code.expect("a code"));
    }
}

/// Puts something else in the place of something in it.
fn spoil(dice: &mut Dice, value: &mut Value) {
    let inside = dice.below(4) > 0;
    match value {
        Value::Object(fields) if inside && !fields.is_empty() => {
            let at = dice.below(fields.len());
            if let Some(field) = fields.values_mut().nth(at) {
                spoil(dice, field);
            }
        }
        Value::Array(list) if inside && !list.is_empty() => {
            let at = dice.below(list.len());
            spoil(dice, &mut list[at]);
        }
        _ => {
            let long = dice.below(5000);
            *value = dice
                .pick(&[
                    Value::Null,
                    json!(true),
                    json!(-1),
                    json!(u64::MAX),
                    json!(f64::MAX),
                    json!(5e-324),
                    json!(""),
                    json!("*"),
                    json!("@"),
                    json!("\u{0}\u{7f}\u{85}\u{2028}\u{feff}"),
                    json!("é".repeat(long)),
                    json!("\u{1f600}".repeat(long)),
                    json!({}),
                    json!([]),
                    json!(vec!["1"; long]),
                    json!(vec![json!([]); long]),
                    json!({ "id": "7", "type": "post", "name": "x".repeat(long) }),
                    json!("2100-01-01T00:00:60+25:59"),
                    json!("1970-01-01"),
                    json!("javascript:alert(1)"),
                    json!("//evil.example"),
                ])
                .clone();
        }
    }
}

/// A token is good to the last character, or it is refused.
#[tokio::test]
async fn tokens_of_any_kind_are_refused() {
    let mut place = Place::new().await;
    let good = [&place.eve.token, &place.key.token].map(|token| token.clone().into_bytes());
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJAZXZlIn0.";
    let known = [
        good[0].clone(),
        good[1].clone(),
        none.into(),
        b"br_".to_vec(),
        b"br__".to_vec(),
        b"..".to_vec(),
        b"e30.e30.e30".to_vec(),
        "a.".repeat(2500).into_bytes(),
    ];
    let others: Vec<&[u8]> = known.iter().map(Vec::as_slice).collect();
    let random = |dice: &mut Dice| {
        let mut token = dice.pick(&known).clone();
        dice.mutate(&mut token, &others);
        Bytes(token)
    };
    let round = async |place: &Place, token: &Bytes| {
        let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", token.0.as_slice()].concat()) else {
            return;
        };
        let request = place.http.get(place.server.url("/api/v1/me"));
        let answer = Answer::of(request.header(AUTHORIZATION, value)).await;
        let is_good = good.iter().any(|good| good == token.0.trim_ascii());
        if is_good {
            assert!(matches!(answer.status.as_u16(), 200 | 403), "{answer:?}");
        } else {
            answer.expect_problem(401, "token_invalid");
        }
    };
    place.play(known.clone().map(Bytes), random, round).await;
    place.end().await;
}
