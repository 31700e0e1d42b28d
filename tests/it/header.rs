//! The headers by which a browser knows what an answer must not be used for, on every kind of answer.

use bellrope::config::Settings;
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::world::{Login, World};

const YEAR_S: u64 = 365 * 24 * 3600;
const FORUM: &str = "https://forum.example";
const BELL: &str = "https://bell.example";

/// A kind of answer: what is asked for, and what comes.
struct Kind {
    name: &'static str,
    request: RequestBuilder,
    status: u16,
    /// None: without a body.
    content_type: Option<&'static str>,
}

/// A server behind HTTPS, that lets the pages of one forum in.
async fn strict() -> World {
    World::forum_with(Settings {
        allow_origin: Some(vec![FORUM.parse().expect("an origin")]),
        public_url: Some(BELL.parse().expect("an origin")),
        ..Settings::default()
    })
    .await
}

fn preflight(world: &World) -> RequestBuilder {
    world
        .request(Method::OPTIONS, "/api/v1/inbox")
        .header("Origin", FORUM)
        .header("Access-Control-Request-Method", "GET")
}

fn upgrade(world: &World) -> RequestBuilder {
    world
        .request(Method::GET, "/socket.io/?EIO=4&transport=websocket")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// One of each: pages, files, the API's answers and refusals, the front's own, and the sockets'.
fn kinds(world: &World, ann: &Login) -> Vec<Kind> {
    let get = |path: &str| world.request(Method::GET, path);
    let own = |path: &str| get(path).bearer_auth(&ann.token);
    let login = |body: String| world.request(Method::POST, "/api/v1/login").body(body);
    let json = Some("application/json");
    let problem = Some("application/problem+json");
    let html = Some("text/html");
    let script = Some("text/javascript");
    let text = Some("text/plain");
    let socket = "/socket.io/?EIO=4&transport=polling";
    let kinds = [
        ("a page", get("/"), 200, html),
        ("a page inside", get("/publish"), 200, html),
        ("the API's page", get("/api/docs"), 200, html),
        ("a script", get("/theme.js"), 200, script),
        ("the bell", get("/bell.js"), 200, script),
        ("the client", get("/client.js"), 200, script),
        ("a picture", get("/favicon.svg"), 200, Some("image/svg+xml")),
        ("robots.txt", get("/robots.txt"), 200, text),
        ("the description", get("/api/openapi.json"), 200, json),
        ("a success", own("/api/v1/inbox"), 200, json),
        ("no token", get("/api/v1/inbox"), 401, problem),
        ("a scope", own("/api/v1/accounts"), 403, problem),
        ("no operation", get("/api/v1/nothing"), 404, problem),
        ("no file", get("/nothing.js"), 404, problem),
        (
            "no method",
            world.request(Method::PUT, "/api/v1/login"),
            405,
            problem,
        ),
        (
            "no JSON",
            login("{".to_owned()).header("Content-Type", "application/json"),
            400,
            problem,
        ),
        ("the demo", get("/api/insert"), 200, json),
        ("alive", get("/healthz"), 200, text),
        ("ready", get("/readyz"), 200, text),
        (
            "a stranger's page",
            get("/").header("Origin", "https://evil.example"),
            403,
            problem,
        ),
        ("a body too large", login(" ".repeat(1 << 20)), 413, problem),
        ("a preflight", preflight(world), 204, None),
        ("a poll", get(socket), 200, Some("text/plain")),
        (
            "no session",
            get(&format!("{socket}&sid=AAAAAAAAAAAAAAAA")),
            400,
            Some("application/json"),
        ),
        ("a WebSocket", upgrade(world), 101, None),
    ];
    kinds
        .map(|(name, request, status, content_type)| Kind {
            name,
            request,
            status,
            content_type,
        })
        .into()
}

/// The directives of a policy, each with what it allows.
fn directives(policy: &str) -> Vec<(&str, &str)> {
    let each = policy.split(';').map(str::trim);
    each.map(|one| one.split_once(' ').unwrap_or((one, "")))
        .collect()
}

/// Whether this header's value is right for this kind of answer.
type Rule = (&'static str, fn(&Kind, &str) -> bool);

const RULES: [Rule; 10] = [
    ("x-content-type-options", |_, value| value == "nosniff"),
    ("referrer-policy", |_, value| value == "no-referrer"),
    ("cross-origin-opener-policy", |_, value| {
        value == "same-origin"
    }),
    ("cross-origin-resource-policy", |kind, value| {
        value == ["same-origin", "cross-origin"][usize::from(kind.is_for_everybody())]
    }),
    ("strict-transport-security", |_, value| {
        let rest = value.strip_prefix("max-age=").unwrap_or_default();
        let (seconds, below) = rest.split_once("; ").unwrap_or_default();
        below == "includeSubDomains" && seconds.parse().is_ok_and(|age: u64| age >= YEAR_S)
    }),
    ("content-security-policy", |kind, value| {
        let directives = directives(value);
        let nothing = [
            "default-src",
            "object-src",
            "base-uri",
            "form-action",
            "frame-ancestors",
        ];
        nothing
            .iter()
            .all(|of| directives.contains(&(of, "'none'")))
            && directives.contains(&("sandbox", "")) != kind.is_page()
            && !value.contains("unsafe")
            && !value.contains('*')
    }),
    ("cache-control", |kind, value| {
        // Socket.IO's own answers may say it in more words.
        value.starts_with(["no-store", "no-cache"][usize::from(kind.is_file())])
    }),
    ("content-type", |kind, value| {
        let value = value.to_ascii_lowercase();
        let (media, charset) = value.split_once("; ").unwrap_or((&value, ""));
        let is_text = media.starts_with("text/") || media.ends_with("+xml");
        media == kind.content_type.unwrap_or_default() && (!is_text || charset == "charset=utf-8")
    }),
    ("vary", |kind, value| {
        value
            == if kind.is_file() {
                "Accept-Encoding, Origin"
            } else {
                "Origin"
            }
    }),
    // Nobody is known here by a cookie.
    ("set-cookie", |_, value| value.is_empty()),
];

impl Kind {
    fn is_for_everybody(&self) -> bool {
        matches!(self.name, "the bell" | "the client")
    }

    fn is_page(&self) -> bool {
        self.content_type == Some("text/html")
    }

    fn is_file(&self) -> bool {
        let others = ["a script", "a picture", "robots.txt"];
        self.is_page() || self.is_for_everybody() || others.contains(&self.name)
    }
}

#[tokio::test]
async fn every_answer_says_what_it_must_not_be_used_for() {
    let world = strict().await;
    let ann = world.member("42");
    let mut wrong = Vec::new();
    for kind in kinds(&world, &ann) {
        let request = kind.request.try_clone().expect("a body that is there");
        let sent = request.send().await.expect("an answer");
        assert_eq!(sent.status(), kind.status, "{}", kind.name);
        for (name, is_right) in RULES {
            let values: Vec<&str> = sent
                .headers()
                .get_all(name)
                .iter()
                .map(|value| value.to_str().expect("text"))
                .collect();
            // The one of them that is a list, and has two authors here.
            let is_once = values.len() <= 1 || name == "vary";
            if !is_once || !is_right(&kind, &values.join(", ")) {
                wrong.push(format!("{}: {name}: {values:?}", kind.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_page_takes_its_parts_from_here_alone_and_writes_no_html() {
    let world = World::new().await;
    let policy = async |path: &str| {
        let page = world.ask(Method::GET, path, None).await;
        page.expect_status(StatusCode::OK);
        assert!(
            page.header("permissions-policy")
                .is_some_and(|denied| denied.contains("camera=()")),
            "{path}"
        );
        page.header("content-security-policy")
            .expect("a policy")
            .to_owned()
    };
    let app = policy("/inbox").await;
    let docs = policy("/api/docs").await;
    for own in ["script-src", "style-src", "connect-src"] {
        for policy in [&app, &docs] {
            assert!(directives(policy).contains(&(own, "'self'")), "{policy}");
        }
    }
    assert!(directives(&app).contains(&("img-src", "'self'")), "{app}");
    assert!(
        directives(&app).contains(&("require-trusted-types-for", "'script'")),
        "{app}"
    );
    assert!(
        directives(&app).contains(&("trusted-types", "vue")),
        "{app}"
    );
}

/// A browser that was told once would never again reach a server that has no certificate.
#[tokio::test]
async fn a_server_without_https_promises_none() {
    let world = World::new().await;
    for path in ["/", "/api/v1/server", "/socket.io/?EIO=4&transport=polling"] {
        let answer = world.ask(Method::GET, path, None).await;
        answer.expect_status(StatusCode::OK);
        assert_eq!(answer.header("strict-transport-security"), None, "{path}");
    }
}
