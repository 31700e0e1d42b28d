//! The requests that an operation can be asked with, made from its description, with what is
//! somebody's put wherever a parameter has the name for it.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Map, Value};

use crate::world::{Answer, Login, World};

/// What each parameter and each field is given: its values, by its name.
pub type Words = BTreeMap<&'static str, Vec<Value>>;

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    method: Method,
    /// With its query.
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Value>,
}

impl Asked {
    pub async fn by(&self, world: &World, caller: Option<&Login>) -> Answer {
        let mut request = world.request(self.method.clone(), &self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(Login { token }) = caller {
            request = request.bearer_auth(token);
        }
        Answer::of(match &self.body {
            Some(Value::String(text)) => request.body(text.clone()),
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }
}

/// What a server says of itself.
pub struct Description(Value);

impl Description {
    pub async fn of(world: &World) -> Self {
        let answer = world.ask(Method::GET, "/api/openapi.json", None).await;
        Self(answer.json())
    }

    /// Every operation, as its method and its path.
    pub fn operations(&self) -> BTreeSet<String> {
        let paths = self.0["paths"].as_object().expect("paths").iter();
        let operations = paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        });
        operations.collect()
    }

    /// As many requests as give each parameter and each field each of its values once.
    pub fn requests(&self, operation: &str, words: &Words) -> Vec<Asked> {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        let described = &self.0["paths"][path][method.to_lowercase()];
        let parameters = described["parameters"].as_array();
        let parameters = parameters.map(Vec::as_slice).unwrap_or_default();
        let of_place = |place: &str| {
            let here = parameters.iter().filter(|at| at["in"] == place);
            let names = here.map(|at| at["name"].as_str().expect("a name").to_owned());
            names.collect::<Vec<_>>()
        };
        let paths = paths(path, &of_place("path"), words);
        let queries = queries(&of_place("query"), words);
        let bodies = self.bodies(&described["requestBody"], words);
        let headers = of_place("header").into_iter().map(|name| {
            let value = text(&values(words, &name)[0]);
            (name, value)
        });
        let headers: Vec<_> = headers.collect();
        let count = paths.len().max(queries.len()).max(bodies.len());
        let asked = (0..count).map(|at| Asked {
            method: method.parse().expect("a method"),
            path: format!(
                "/api/v1{}{}",
                paths[at % paths.len()],
                queries[at % queries.len()]
            ),
            headers: headers.clone(),
            body: bodies[at % bodies.len()].clone(),
        });
        asked.collect()
    }

    fn bodies(&self, described: &Value, words: &Words) -> Vec<Option<Value>> {
        let Some(content) = described["content"].as_object() else {
            return vec![None];
        };
        let schema = content.values().next().expect("a kind of body");
        let Some(name) = schema["schema"]["$ref"].as_str() else {
            return vec![Some(values(words, "body")[0].clone())];
        };
        let name = name.rsplit('/').next().expect("a name");
        let schema = &self.0["components"]["schemas"][name];
        let fields = schema["properties"].as_object().expect("fields");
        let fields: Vec<_> = fields
            .keys()
            .map(|name| (name, values(words, name)))
            .collect();
        // Where none is required it is one of them.
        if schema["required"].is_null() {
            let one =
                |name: &String, value: &Value| Map::from_iter([(name.clone(), value.clone())]);
            let bodies = fields.iter().map(|(name, values)| one(name, &values[0]));
            return bodies.map(|body| Some(body.into())).collect();
        }
        let count = fields.iter().map(|(_, values)| values.len()).max();
        let body = |at: usize| {
            let all = fields.iter().map(|(name, values)| {
                let value = values[at % values.len()].clone();
                ((*name).clone(), value)
            });
            all.filter(|(_, value)| !value.is_null())
                .collect::<Map<_, _>>()
        };
        let bodies = (0..count.unwrap_or_default()).map(|at| Some(body(at).into()));
        bodies.collect()
    }
}

fn values<'a>(words: &'a Words, name: &str) -> &'a [Value] {
    let values = words.get(name);
    values
        .unwrap_or_else(|| panic!("what of a member's can stand in `{name}`? Add it to the words"))
}

/// What is more than a text is named by its id.
fn text(value: &Value) -> String {
    let text = value.as_str().or(value["id"].as_str());
    text.map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn encoded(value: &Value) -> String {
    let text = text(value);
    let bytes = url::form_urlencoded::byte_serialize(text.as_bytes());
    bytes.collect::<String>().replace('+', "%20")
}

fn paths(path: &str, names: &[String], words: &Words) -> Vec<String> {
    let Some(name) = names.first() else {
        return vec![path.to_owned()];
    };
    assert_eq!(names.len(), 1, "{path}: two that vary at once");
    let filled = values(words, name).iter();
    let filled = filled.map(|value| path.replace(&format!("{{{name}}}"), &encoded(value)));
    filled.collect()
}

/// None, and each alone; those with the same first word, such as `object_type` and `object_id`,
/// belong together.
fn queries(names: &[String], words: &Words) -> Vec<String> {
    let mut together: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for name in names {
        let first = name.split('_').next().expect("a word");
        let pair = format!("{name}={}", encoded(&values(words, name)[0]));
        together.entry(first).or_default().push(pair);
    }
    let alone = together
        .values()
        .map(|pairs| format!("?{}", pairs.join("&")));
    std::iter::once(String::new()).chain(alone).collect()
}
