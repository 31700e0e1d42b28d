//! The web app, from inside the executable.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response, handler};
use rust_embed::RustEmbed;

use super::error::nothing_here;

#[derive(RustEmbed)]
#[folder = "$BELLROPE_DIST"]
struct Dist;

/// Nothing inline, nothing from elsewhere, nobody's frame. `data:` is for the images that the
/// API page's style sheet holds in itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self' ws: wss:; manifest-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// A file of the web app, or its page: the app finds its own way from the address.
#[handler]
pub fn page(request: &Request) -> Response {
    let path = match request.uri().path().trim_start_matches('/') {
        // What a browser asks for on its own for a page that names no icon, such as an answer in JSON.
        "favicon.ico" => "favicon.svg",
        path => path,
    };
    match file(request, path) {
        Some(response) => response,
        // A missing script or operation must not be answered with a page.
        None if path.contains('.') || matches!(path.split('/').next(), Some("assets" | "api")) => {
            nothing_here()
        }
        None => whole(request, "index.html"),
    }
}

/// The page to try the API.
#[handler]
pub fn docs(request: &Request) -> Response {
    whole(request, "docs.html")
}

fn whole(request: &Request, path: &str) -> Response {
    file(request, path).unwrap_or_else(nothing_here)
}

fn file(request: &Request, path: &str) -> Option<Response> {
    let file = Dist::get(path)?;
    let hash = file.metadata.sha256_hash();
    let tag = hash[..16]
        .iter()
        .fold(String::from("\""), |tag, byte| format!("{tag}{byte:02x}"))
        + "\"";
    // Vite names these by their content; everything else is asked for anew.
    let age = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let known = request.headers().get(header::IF_NONE_MATCH);
    let response = Response::builder()
        .header(header::CACHE_CONTROL, age)
        .header(header::ETAG, tag.as_str())
        .header(header::CONTENT_SECURITY_POLICY, POLICY);
    if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Some(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let mut mime = mime_guess::from_path(path)
        .first_or_octet_stream()
        .to_string();
    if mime.starts_with("text/") {
        mime.push_str("; charset=utf-8");
    }
    Some(response.content_type(mime).body(file.data.into_owned()))
}

/// What every answer carries: it is what it says it is, and tells no other site where it was.
pub fn harden(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    // Whatever may be private is not left in a cache; files say otherwise themselves.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
}
