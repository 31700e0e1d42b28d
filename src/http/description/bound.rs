//! The bounds of what a request may hold, as JSON Schema can tell them. What it cannot tell (bytes,
//! a time to come, a name's spelling) stands in words beside the field.

use serde_json::{Map, Value, json};

/// No control character.
const PLAIN: &str = "^[^\\u0000-\\u001F\\u007F-\\u009F]*$";

/// Writes the bounds into the description: into its schemas, and into its operations' parameters.
pub fn tell(document: &mut Value) {
    for (name, fields) in schemas() {
        let schema = &mut document["components"]["schemas"][name];
        merge(schema, fields);
    }
    let bounds = parameters();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let paths = paths.into_iter().flatten();
    let operations = paths.flat_map(|(_, path)| path.as_object_mut().into_iter().flatten());
    for (_, operation) in operations {
        let id = operation["operationId"].as_str().unwrap_or_default();
        let of_this: Vec<_> = bounds.iter().filter(|(of, ..)| id == *of).collect();
        let all = operation.get_mut("parameters");
        for parameter in all.and_then(Value::as_array_mut).into_iter().flatten() {
            let bound = of_this
                .iter()
                .find(|(_, name, _)| parameter["name"] == *name);
            if let Some((.., bound)) = bound {
                merge(&mut parameter["schema"], bound.clone());
            }
        }
    }
}

/// Adds what the one has not; objects on both sides become one.
fn merge(schema: &mut Value, bound: Value) {
    match (schema, bound) {
        (Value::Object(schema), Value::Object(bound)) => {
            for (name, bound) in bound {
                merge(schema.entry(name).or_insert(Value::Null), bound);
            }
        }
        (schema, bound) => *schema = bound,
    }
}

fn text(least: usize, most: usize) -> Value {
    json!({ "minLength": least, "maxLength": most, "pattern": PLAIN })
}

/// A member's id, an actor's, an object's.
fn id() -> Value {
    text(1, 128)
}

/// The forum's own handles: `key` and `group`.
fn handle() -> Value {
    text(1, 255)
}

/// At least eight bytes may be two characters.
fn password() -> Value {
    json!({ "minLength": 2, "maxLength": 1024 })
}

fn username() -> Value {
    json!({ "minLength": 2, "maxLength": 64 })
}

fn kind() -> Value {
    json!({ "minLength": 1, "maxLength": 64, "pattern": "^[a-z0-9._-]+$" })
}

fn title() -> Value {
    json!({ "minLength": 1, "maxLength": 200, "pattern": "\\S" })
}

fn list(least: usize, most: usize, items: &Value) -> Value {
    json!({ "minItems": least, "maxItems": most, "items": items })
}

fn properties(fields: &[(&str, Value)]) -> Value {
    let fields = fields
        .iter()
        .map(|(name, bound)| ((*name).to_owned(), bound.clone()));
    json!({ "properties": fields.collect::<Map<_, _>>() })
}

fn schemas() -> [(&'static str, Value); 14] {
    let link = json!({ "maxLength": 2048, "pattern": "^(/| *[Hh][Tt][Tt][Pp][Ss]?:)" });
    let avatar = json!({ "maxLength": 2048, "pattern": "^ *[Hh][Tt][Tt][Pp][Ss]?:" });
    let words = list(0, 200, &json!({ "minLength": 1, "maxLength": 255 }));
    let no = json!({});
    let mut selector = properties(&[
        ("ids", list(0, 1000, &no)),
        ("all", json!({ "enum": [true] })),
    ]);
    selector["minProperties"] = 1.into();
    selector["maxProperties"] = 1.into();
    [
        (
            "Actor",
            properties(&[
                ("id", id()),
                ("name", json!({ "maxLength": 200 })),
                ("avatar", avatar),
            ]),
        ),
        ("Object", properties(&[("type", id()), ("id", id())])),
        (
            "Recipients",
            json!({ "oneOf": [
            { "type": "string", "minLength": 1, "maxLength": 128, "pattern": PLAIN },
            { "type": "array", "minItems": 1, "maxItems": 10_000, "items": {
                "type": "string", "minLength": 1, "maxLength": 128, "pattern": PLAIN,
            } },
        ] }),
        ),
        (
            "Notification",
            properties(&[
                ("kind", kind()),
                ("title", title()),
                ("body", json!({ "maxLength": 4000 })),
                ("url", link),
                ("key", handle()),
                ("group", handle()),
            ]),
        ),
        (
            "Notifications",
            properties(&[("items", list(1, 1000, &no))]),
        ),
        ("Selector", selector),
        (
            "Muted",
            properties(&[
                ("kinds", words.clone()),
                ("groups", words.clone()),
                ("actors", words),
            ]),
        ),
        (
            "PresenceRequest",
            properties(&[("users", list(0, 1000, &id()))]),
        ),
        (
            "NewKey",
            properties(&[("name", text(1, 64)), ("scopes", json!({ "minItems": 1 }))]),
        ),
        (
            "SetupRequest",
            properties(&[("username", username()), ("password", password())]),
        ),
        (
            "NewAccount",
            properties(&[("username", username()), ("password", password())]),
        ),
        ("NewPassword", properties(&[("password", password())])),
        ("PasswordChange", properties(&[("new", password())])),
        ("TokenRequest", properties(&[("id", id())])),
    ]
}

/// Operation, parameter, and what it may be.
fn parameters() -> Vec<(&'static str, &'static str, Value)> {
    let call = json!({ "minLength": 1, "maxLength": 255, "pattern": "^[ -~]*[!-~][ -~]*$" });
    vec![
        ("publish", "Idempotency-Key", call.clone()),
        ("publish_batch", "Idempotency-Key", call.clone()),
        ("notify", "Idempotency-Key", call),
        ("notify", "id", id()),
        ("notify", "kind", kind()),
        ("notify", "title", title()),
        ("notify", "url", json!({ "maxLength": 2048 })),
        ("notify", "key", handle()),
        ("notify", "group", handle()),
        ("read_for", "id", id()),
        ("sign_out", "id", id()),
        ("forget_user", "id", id()),
        ("inbox", "limit", json!({ "minimum": 1, "maximum": 100 })),
    ]
}
