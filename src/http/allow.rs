//! `Allow`: what an address takes, for an answer that says it does not take this (RFC 9110, 15.5.6).

use poem::Response;
use poem::http::{HeaderValue, header};
use serde_json::Value;

/// Addresses that are not in the API's description and take more than GET.
const ELSEWHERE: [(&str, &str); 2] = [("/api/login", "POST"), ("/api/insert", "GET, HEAD, POST")];
const READ: &str = "GET, HEAD";

/// The methods of each path of the API.
#[derive(Default)]
pub struct Allow(Vec<(String, String)>);

impl Allow {
    pub fn of(description: &Value, prefix: &str) -> Self {
        let paths = description["paths"].as_object().into_iter().flatten();
        let paths = paths.map(|(path, operations)| {
            let methods = operations.as_object().into_iter().flatten();
            let methods: Vec<_> = methods
                .map(|(method, _)| match method.as_str() {
                    "get" => READ.to_owned(),
                    method => method.to_ascii_uppercase(),
                })
                .collect();
            (format!("{prefix}{path}"), methods.join(", "))
        });
        Self(paths.collect())
    }

    /// Completes a refusal of a method.
    pub fn tell(&self, path: &str, response: &mut Response) {
        let elsewhere = ELSEWHERE.iter().find(|(known, _)| *known == path);
        let allowed = elsewhere.map_or_else(|| self.methods(path), |(_, methods)| methods);
        if let Ok(allowed) = HeaderValue::from_str(allowed) {
            response.headers_mut().insert(header::ALLOW, allowed);
        }
    }

    fn methods(&self, path: &str) -> &str {
        // `/inbox/read` is an address of its own, not an item's.
        let exact = self.0.iter().find(|(known, _)| known == path);
        let found = exact.or_else(|| self.0.iter().find(|(known, _)| fits(known, path)));
        found.map_or(READ, |(_, methods)| methods)
    }
}

/// Whether a path is what a template such as `/users/{id}/read` stands for.
fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template
            .zip(path)
            .all(|(known, part)| known == part || known.starts_with('{'))
}
