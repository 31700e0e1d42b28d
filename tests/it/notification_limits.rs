//! What a notification may hold, who may publish it, how large it may be, and whom it may be for.

use jiff::SignedDuration;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::socket::Socket;
use crate::world::{Answer, Login, World, draft};

const PATH: &str = "/api/v1/notifications";
const BATCH: &str = "/api/v1/notifications/batch";

/// A value of a field, and whether it is taken.
fn fields(world: &World) -> Vec<(&'static str, Value, bool)> {
    let now = world.clock.now();
    let text = |unit: &str, times: usize| json!(unit.repeat(times));
    let person = |id: &str| json!({ "id": id, "name": null, "avatar": null });
    vec![
        ("to", json!(""), false),
        ("to", text("i", 128), true),
        ("to", text("i", 129), false),
        ("to", text("é", 65), false),
        ("to", json!("a\nb"), false),
        ("to", json!("@"), false),
        ("to", json!("@Root"), false),
        ("to", json!([]), false),
        ("to", json!(["42", "*"]), false),
        ("kind", json!(""), false),
        ("kind", text("k", 64), true),
        ("kind", text("k", 65), false),
        ("kind", json!("a-z_0.9"), true),
        ("kind", json!("Like"), false),
        ("kind", json!("like it"), false),
        ("title", json!(""), false),
        ("title", json!(" \t"), false),
        ("title", text("☃", 200), true),
        ("title", text("☃", 201), false),
        ("body", text("☃", 4000), true),
        ("body", text("☃", 4001), false),
        ("url", json!(format!("/{}", "u".repeat(2047))), true),
        ("url", json!(format!("/{}", "u".repeat(2048))), false),
        ("url", json!("https://forum.example/t?a=1#b"), true),
        ("url", json!("//elsewhere.example"), false),
        ("url", json!("/\\elsewhere.example"), false),
        ("url", json!("/\t/elsewhere.example"), false),
        ("url", json!("javascript:alert(1)"), false),
        ("url", json!("t/1"), false),
        ("url", json!(""), false),
        ("actor", person("7"), true),
        ("actor.id", person(""), false),
        ("actor.id", person(&"i".repeat(129)), false),
        (
            "actor.name",
            json!({ "id": "7", "name": "n".repeat(201) }),
            false,
        ),
        (
            "actor.avatar",
            json!({ "id": "7", "avatar": "data:image/png;base64,AAAA" }),
            false,
        ),
        ("object.type", json!({ "type": "", "id": "1" }), false),
        ("object.id", json!({ "type": "post", "id": "" }), false),
        (
            "object.id",
            json!({ "type": "post", "id": "a\u{0}b" }),
            false,
        ),
        ("key", text("é", 127), true),
        ("key", text("é", 128), false),
        ("key", json!(""), false),
        ("group", text("g", 255), true),
        ("group", text("g", 256), false),
        ("data", text("d", (16 << 10) - 2), true),
        ("data", text("d", (16 << 10) - 1), false),
        (
            "expires_at",
            json!((now + SignedDuration::from_hours(1)).to_string()),
            true,
        ),
        (
            "expires_at",
            json!((now - SignedDuration::from_secs(1)).to_string()),
            false,
        ),
    ]
}

/// A notification with this value in this field, or in the object the field is of.
fn with(field: &str, value: &Value) -> Value {
    let field = field.split('.').next().expect("its name");
    let mut said = draft(json!({ "to": "42" }));
    said[field] = value.clone();
    said
}

/// What a browser would run, show under the forum's name, or take for another host than it looks.
const NO_LINKS: [&str; 22] = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "\u{1}javascript:alert(1)",
    "java\tscript:alert(1)",
    "javascript://forum.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "blob:https://forum.example/1",
    "file:///etc/passwd",
    "view-source:https://forum.example/",
    "ftp://forum.example/",
    "//elsewhere.example",
    "///elsewhere.example",
    "\\\\elsewhere.example",
    "https:elsewhere.example",
    "https:/\\elsewhere.example",
    " https://forum.example/",
    "https://forum.example/\r\nSet-Cookie:a=b",
    "https://",
    "https://a b/",
    "t/1",
];

#[tokio::test]
async fn a_link_or_a_picture_is_http_or_https_however_it_is_dressed() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let dressed = ["/\\elsewhere.example", "/\t/elsewhere.example"];
    for raw in NO_LINKS.iter().chain(&dressed) {
        for (field, value) in [
            ("url", json!(raw)),
            ("actor.avatar", json!({ "id": "7", "avatar": raw })),
        ] {
            let refused = key.post(&world, PATH, with(field, &value)).await;
            refused.expect_problem(422, "field_invalid");
            assert_eq!(refused.json()["field"], field, "{raw:?}");
        }
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("url", raw)
            .finish();
        let short = world
            .request(Method::POST, &format!("/api/v1/users/42/notify?{query}"))
            .bearer_auth(&key.token)
            .body("Bob replied");
        let refused = Answer::of(short).await;
        refused.expect_problem(422, "field_invalid");
        assert_eq!(refused.json()["field"], "url", "{raw:?}");
    }
    for raw in [
        "HTTPS://forum.example/t/1",
        "http://[::1]:8080/",
        "/t/1?a=//b#c",
    ] {
        key.publish(&world, json!({ "to": "42", "url": raw })).await;
    }
    let inbox = world.member("42").get(&world, "/api/v1/inbox").await;
    let items = inbox.json()["items"].as_array().expect("items").len();
    assert_eq!(items, 3, "nothing refused is kept");
}

#[tokio::test]
async fn each_field_has_its_limit_and_is_named_when_it_is_refused() {
    let world = World::new().await;
    let key = world.key(&["publish"]).await;
    let fields = fields(&world);
    let mut items = Vec::new();
    for (field, value, is_good) in &fields {
        let answer = key.post(&world, PATH, with(field, value)).await;
        if *is_good {
            answer.expect_status(StatusCode::OK);
            continue;
        }
        answer.expect_problem(422, "field_invalid");
        assert_eq!(answer.json()["field"], *field, "{value}");
        items.push(with(field, value));
    }
    // A batch says the same of each, and publishes the rest.
    items.push(draft(json!({ "to": "42", "title": "The rest" })));
    items.push(draft(json!({ "to": "*" })));
    let answer = key.post(&world, BATCH, json!({ "items": items })).await;
    let answers = answer.expect_status(StatusCode::OK).json()["items"].clone();
    let refused = fields.iter().filter(|(_, _, is_good)| !is_good);
    let mut count = 0;
    for (answer, (field, ..)) in answers.as_array().expect("answers").iter().zip(refused) {
        let error = &answer["error"];
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("field_invalid"), &json!(field))
        );
        assert!(error["detail"].is_string(), "{answer}");
        count += 1;
    }
    assert_eq!(answers[count]["results"][0]["to"], "42");
    assert_eq!(answers[count + 1]["error"]["field"], "to");
    assert_eq!(answers.as_array().map(Vec::len), Some(count + 2));
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_malformed() {
    let world = World::new().await;
    let key = world.key(&["publish"]).await;
    let good = draft(json!({ "to": "42" }));
    let mut bodies = vec![
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        format!("{good}x"),
    ];
    let changes = [
        json!({ "to": { "id": "42" } }),
        json!({ "to": [["42"]] }),
        json!({ "to": null }),
        json!({ "kind": null }),
        json!({ "title": [] }),
        json!({ "titel": "A misspelt field" }),
        json!({ "actor": { "name": "Nobody" } }),
        json!({ "actor": { "id": "7", "nick": "Bob" } }),
        json!({ "object": { "type": "post" } }),
        json!({ "object": { "type": "post", "id": null } }),
        json!({ "object": { "type": "post", "id": "1", "url": "/t/1" } }),
        json!({ "transient": "yes" }),
        json!({ "expires_at": "tomorrow" }),
    ];
    for change in changes {
        let mut said = good.clone();
        let Value::Object(change) = change else {
            panic!()
        };
        said.as_object_mut().expect("an object").extend(change);
        bodies.push(said.to_string());
    }
    for body in bodies {
        let batch = format!("{{\"items\":[{body},{good}]}}");
        for (path, body) in [(PATH, body), (BATCH, batch)] {
            let request = world.request(Method::POST, path).bearer_auth(&key.token);
            Answer::of(request.body(body))
                .await
                .expect_problem(400, "malformed");
        }
    }
    for query in [
        "",
        "?object_type=post",
        "?object_id=1",
        "?actor=7&object_type=post&object_id=1",
    ] {
        let retracted = key.delete(&world, &format!("{PATH}{query}")).await;
        retracted.expect_problem(400, "malformed");
    }
    let ann = world.account("ann").await;
    let seq = ann.get(&world, "/api/v1/inbox/counts").await.json()["seq"].clone();
    assert_eq!(seq, 0);
}

#[tokio::test]
async fn a_batch_is_one_call_with_a_bound() {
    let world = World::forum().await;
    let key = world.key(&["publish"]).await;
    let mut socket = Socket::open(&world, &world.member("42").token).await;
    let item = |title: &str| draft(json!({ "to": ["42", "43"], "title": title, "key": title }));
    let mut silent = item("silent");
    silent["transient"] = json!(true);
    let items = [item("a"), silent, item("b"), item("a")];
    let batch = key.post(&world, BATCH, json!({ "items": items })).await;
    let answers = batch.expect_status(StatusCode::OK).json();
    let result = |at: usize| answers["items"][at]["results"][0].clone();
    let of =
        |seq: Value, unread: u64| json!({ "to": "42", "seq": seq, "unread": unread, "sockets": 1 });
    assert_eq!(result(0), of(json!(1), 1));
    assert_eq!(result(1)["seq"], Value::Null);
    assert_eq!(result(2), of(json!(2), 2));
    // The same content under the same key changes nothing.
    assert_eq!(result(3), of(json!(2), 2));
    assert_eq!(answers["items"][0]["replayed"], false);
    let mut heard = Vec::new();
    for _ in 0..3 {
        if let crate::socket::Heard::Event(name, data) = socket.next().await {
            heard.push(format!("{name} {}", data["item"]["title"]));
        }
    }
    heard.sort();
    let expected = [
        "inbox.added \"a\"",
        "inbox.added \"b\"",
        "inbox.transient \"silent\"",
    ];
    assert_eq!(heard, expected);

    let to = |n: usize| draft(json!({ "to": vec!["42"; n] }));
    for (items, status) in [
        (vec![to(1); 1000], 200),
        (vec![to(1); 1001], 422),
        (vec![], 422),
        (vec![to(5000), to(5000)], 200),
        (vec![to(5000), to(5001)], 422),
    ] {
        let answer = key.post(&world, BATCH, json!({ "items": items })).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        if status == 422 {
            answer.expect_problem(422, "field_invalid");
            assert_eq!(answer.json()["field"], "items");
        }
    }
}

#[tokio::test]
async fn a_stranger_sends_little_and_a_publisher_much() {
    let world = World::new().await;
    let key = world.key(&["publish"]).await;
    let ann = world.account("ann").await;
    let request = |token: &str, bytes: usize| -> RequestBuilder {
        // JSON may end in spaces.
        let mut body = draft(json!({ "to": "42" })).to_string();
        body.push_str(&" ".repeat(bytes - body.len()));
        let request = world.request(Method::POST, PATH);
        request.bearer_auth(token).body(body)
    };
    let (least, little, much) = (16 << 10, 64 << 10, 4 << 20);
    let made_up = key.token[..key.token.len() - 1].to_owned() + "x";
    for (token, max) in [
        (ann.token.as_str(), little),
        (&made_up, least),
        ("", least),
        ("br_", least),
    ] {
        let fits = Answer::of(request(token, max)).await;
        assert!(matches!(fits.status.as_u16(), 401 | 403), "{}", fits.text);
        let over = Answer::of(request(token, max + 1)).await;
        over.expect_problem(413, "too_large");
    }
    let fits = Answer::of(request(&key.token, much)).await;
    fits.expect_status(StatusCode::OK);
    let over = Answer::of(request(&key.token, much + 1)).await;
    over.expect_problem(413, "too_large");
    // Without a length told in advance it is the same.
    let chunked = |token: &str, bytes: usize| {
        let body = draft(json!({ "to": "42" })).to_string();
        let spaces = " ".repeat(bytes - body.len());
        let parts = [body, spaces].map(Ok::<_, std::io::Error>);
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(parts));
        world
            .request(Method::POST, PATH)
            .bearer_auth(token)
            .body(body)
    };
    let over = Answer::of(chunked("", least + 1)).await;
    over.expect_problem(413, "too_large");
    let fits = Answer::of(chunked(&key.token, little + 1)).await;
    fits.expect_status(StatusCode::OK);
}

/// Each byte of it that could mean something else, as a path has it.
fn escaped(id: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric();
    let escape = |byte: u8| {
        if plain(&byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    id.bytes().map(escape).collect()
}

#[tokio::test]
async fn any_id_and_any_key_can_be_named_in_a_path() {
    let world = World::forum().await;
    let key = world.key(&["publish", "inbox"]).await;
    let ids = [
        "a/b", "50%", "%41", "汪", "a b+c", "?#&=", "é/../x", "\"'<>\\", ":id", "a.b",
    ];
    for id in ids {
        let member = world.member(id);
        let path = escaped(id);
        let notify = world.request(Method::POST, &format!("/api/v1/users/{path}/notify"));
        let told = Answer::of(notify.bearer_auth(&key.token).body("Hello")).await;
        let results = told.expect_status(StatusCode::OK).json()["results"].clone();
        assert_eq!(results[0]["to"], id);
        assert_eq!(unread(&world, &member).await, 1, "{id}");

        key.publish(&world, json!({ "to": "another", "key": id }))
            .await;
        key.publish(&world, json!({ "to": id, "key": id })).await;
        let gone = key.delete(&world, &format!("{PATH}/by-key/{path}")).await;
        assert_eq!(gone.json(), json!({ "retracted": 2 }), "{id}");
        assert_eq!(unread(&world, &member).await, 1, "{id}");

        let user = format!("/api/v1/users/{path}");
        let read = format!("{user}/read");
        let read = key.post(&world, &read, json!({ "all": true })).await;
        read.expect_status(StatusCode::OK);
        assert_eq!(unread(&world, &member).await, 0, "{id}");
        let gone = key.delete(&world, &user).await;
        gone.expect_status(StatusCode::OK);
        let gone = key.delete(&world, &user).await;
        gone.expect_problem(404, "not_found");
    }
}

async fn unread(world: &World, member: &Login) -> u64 {
    let counts = member.get(world, "/api/v1/inbox/counts").await;
    let counts = counts.expect_status(StatusCode::OK).json();
    counts["counts"]["unread"].as_u64().expect("a count")
}
