//! The web app, from inside the executable.

use poem::http::{HeaderMap, StatusCode, header};
use poem::web::headers::{ETag, HeaderMapExt, IfNoneMatch};
use poem::{Request, Response, ResponseBuilder, handler};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::error::nothing_here;

#[derive(RustEmbed)]
#[folder = "$BELLROPE_DIST"]
struct Dist;

/// The forms a file may have beside it, smallest first: the coding and what ends the name.
const CODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Nothing inline, nothing from elsewhere, nobody's frame. Text becomes HTML in Vue alone, whose
/// templates need it for what never changes. `'self'` is for our WebSocket as well.
const APP: &str = "default-src 'none'; object-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types vue";
/// The page to try the API holds images in its style sheet, and writes HTML, which it cleans first.
const DOCS: &str = "default-src 'none'; object-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// What neither page has a use for.
const PERMISSIONS: &str =
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

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
    let (file, coding) = form(request.headers(), path)?;
    // Of the form that is sent: each has its own tag.
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
    let response = Response::builder()
        .header(header::CACHE_CONTROL, age)
        .header(header::VARY, "Accept-Encoding")
        .header(header::ETAG, tag.as_str());
    let response = match path {
        "index.html" => page_of(response, APP),
        "docs.html" => page_of(response, DOCS),
        _ => response,
    };
    if is_known(request.headers(), &tag) {
        return Some(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let mut mime = mime_guess::from_path(path)
        .first_or_octet_stream()
        .to_string();
    if mime.starts_with("text/") || mime.ends_with("+xml") {
        mime.push_str("; charset=utf-8");
    }
    let response = match coding {
        Some(coding) => response.header(header::CONTENT_ENCODING, coding),
        None => response,
    };
    Some(
        response
            .content_type(mime)
            // For HEAD, whose body is dropped on the way out.
            .header(header::CONTENT_LENGTH, file.data.len())
            .body(file.data.into_owned()),
    )
}

/// The file in the smallest form the caller takes, and the name of its coding. A brought web app may have the plain one alone.
fn form(headers: &HeaderMap, path: &str) -> Option<(EmbeddedFile, Option<&'static str>)> {
    // The other forms have no address of their own.
    if CODINGS.iter().any(|(_, ending)| path.ends_with(ending)) {
        return None;
    }
    CODINGS
        .iter()
        .filter(|(coding, _)| takes(headers, coding))
        .find_map(|(coding, ending)| Some((Dist::get(&format!("{path}{ending}"))?, Some(*coding))))
        .or_else(|| Some((Dist::get(path)?, None)))
}

/// Whether `Accept-Encoding` has this coding with a weight above 0 (RFC 9110, 12.5.3). The sizes are far enough apart that
/// the weights need no comparing. The plain form is sent even to those who refuse it: there may be no other.
fn takes(headers: &HeaderMap, coding: &str) -> bool {
    let mut others = false;
    let offers = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    for offer in offers {
        let (name, weight) = offer.split_once(';').unwrap_or((offer, "q=1"));
        let weight = weight.trim().to_ascii_lowercase();
        let weight = weight.strip_prefix("q=").and_then(|q| q.parse().ok());
        let is_wanted = weight.is_some_and(|q: f32| q > 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case(coding) => return is_wanted,
            "*" => others = is_wanted,
            _ => {}
        }
    }
    others
}

/// Whether the caller has this form already: a list of tags, weak ones too, or `*`.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let tag = tag.parse::<ETag>().ok();
    let known = headers.typed_get::<IfNoneMatch>();
    tag.zip(known)
        .is_some_and(|(tag, known)| !known.precondition_passes(&tag))
}

fn page_of(response: ResponseBuilder, policy: &str) -> ResponseBuilder {
    response
        .header(header::CONTENT_SECURITY_POLICY, policy)
        .header("permissions-policy", PERMISSIONS)
}
