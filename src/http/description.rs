//! The API's description (`OpenAPI`), completed with what the framework cannot say of its own types:
//! bounds, what may be null, and that unknown fields are refused.
//!
//! The rules themselves are the domain's, and refuse with a code and a field. Here they are only
//! told, so that a generated client knows them beforehand; `tests/contract` holds the two together.

mod bound;

use std::sync::{Arc, LazyLock};

use poem::endpoint::make_sync;
use poem::{Endpoint, Response};
use serde_json::{Value, json};

use super::allow::Allow;

/// How the framework spells JSON's media type. No parameter belongs in a description.
const FRAMEWORK_JSON: &str = "application/json; charset=utf-8";
/// Where a `$ref` of the framework's leads.
const SCHEMA: &str = "#/components/schemas/";
/// Objects that leave out what they do not have. All others may say null.
const LEAN: [&str; 3] = ["Problem", "ItemProblem", "Selector"];

/// Made when somebody first asks: that takes 2 MB, and most servers are never asked.
pub type Description = LazyLock<Described>;

#[derive(Default)]
pub struct Described {
    /// As JSON.
    pub text: String,
    pub allow: Allow,
}

/// The framework's document, completed.
pub fn complete(mut document: Value) -> Value {
    correct(&mut document);
    let asked = asked(&document);
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        for (name, schema) in schemas {
            object(name, schema, asked.contains(name));
        }
    }
    bound::tell(&mut document);
    document
}

/// Answers with it.
pub fn served(description: Arc<Description>) -> impl Endpoint + 'static {
    make_sync(move |_| {
        Response::builder()
            .content_type("application/json")
            .body(description.text.clone())
    })
}

/// Puts right, wherever it stands, what the framework says wrongly.
fn correct(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(correct),
        Value::Object(fields) => {
            fields.values_mut().for_each(correct);
            // One of a text and a list is no object.
            if fields.contains_key("oneOf") {
                fields.remove("type");
            }
            if let Some(json) = fields.remove(FRAMEWORK_JSON) {
                fields.insert("application/json".to_owned(), json);
            }
            let most = match fields.get("format").and_then(Value::as_str) {
                Some("uint16") => u64::from(u16::MAX),
                Some("uint32") => u64::from(u32::MAX),
                Some("uint64") => u64::MAX,
                _ => return,
            };
            fields.insert("minimum".to_owned(), 0.into());
            fields.insert("maximum".to_owned(), most.into());
        }
        _ => {}
    }
}

/// The names of what a request may hold, at any depth.
fn asked(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let operations = document["paths"].as_object().into_iter().flatten();
    for operation in operations.flat_map(|(_, path)| path.as_object().into_iter().flatten()) {
        follow(document, &operation.1["requestBody"], &mut found);
    }
    found
}

fn follow(document: &Value, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| follow(document, one, found)),
        Value::Object(fields) => fields.values().for_each(|one| follow(document, one, found)),
        Value::String(text) => {
            if let Some(name) = text.strip_prefix(SCHEMA)
                && !found.iter().any(|known| known == name)
            {
                found.push(name.to_owned());
                follow(document, &document["components"]["schemas"][name], found);
            }
        }
        _ => {}
    }
}

/// What holds for every object: a request may have no field that is unknown, an answer has every
/// field that is known, and where there is nothing to say it says null.
fn object(name: &str, schema: &mut Value, is_asked: bool) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let fields = schema.get_mut("properties");
    let Some(fields) = fields.and_then(Value::as_object_mut) else {
        return;
    };
    for (field, said) in fields.iter_mut() {
        let may_be_null = !required.iter().any(|one| one == field) && !LEAN.contains(&name);
        if may_be_null {
            nullable(said);
        }
    }
    if is_asked {
        schema["additionalProperties"] = false.into();
    } else if !LEAN.contains(&name) {
        schema["required"] = fields.keys().cloned().collect();
    }
}

fn nullable(schema: &mut Value) {
    if schema.get("$ref").is_some() {
        // Beside a reference nothing else is read.
        *schema = json!({ "allOf": [schema.take()] });
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("nullable".to_owned(), true.into());
    }
}
