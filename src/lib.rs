//! Bellrope pushes to a forum's member, in real time and without loss, what happened to them.
//!
//! One process, one port, one file. Every use case goes the same way: **check, store, tell.**
//!
//! ```text
//!             browsers, forum backends                    commands (bellrope user ...)
//!                       |                                        |
//!                 TCP listener                       Unix socket in the data folder
//!                       +------------------+---------------------+
//!                                          v
//!        front    one port: TLS, limits, origins, proxies, log, drain
//!                  | /socket.io                    | everything else
//!                  v                               v
//!        live     Socket.IO                       http     poem: routes, bearer -> Actor,
//!                  |        ^                      |        errors -> statuses, the web app
//!                  v        | events               v
//!        domain   WHAT: rules, written once. Knows no transport and no database
//!                  |        |                      |
//!                  | Store  | Bus                  |        domain/engine.rs: THE SEAM
//!                  v        |                      v
//!        engine   WHERE: one redb file, one writer that commits in groups and tells in commit order
//! ```
//!
//! # The flow of "Bob liked your post"
//! `POST /api/v1/notifications` -> [`front`] -> `http/notification.rs` (decode, Actor) ->
//! [`domain::notification::publish`]: *check* (scope, rules, limits) -> *store*
//! (`engine/redb/writer.rs`: batch, commit, fsync; in it `engine/redb/notification.rs` decides
//! between adding, folding and editing, and `engine/redb/mailbox.rs` keeps the rows, the counts and
//! the member's log in step) -> *tell* (the bus, `live/push.rs`, that member's sockets). The
//! answer leaves after the commit, never before.
//!
//! # How nobody misses anything
//! Each member has one log. A change of the inbox has its next number, `seq`, in the same
//! transaction. A socket is listed with its member (`live/here.rs`) *before* the store is read for
//! its `ready`; what is told in between waits in `live/ear.rs` and follows, less what `ready` has
//! in it already. So a change is in `ready` or follows it. A client that returns names the last
//! number it knows and gets all the log has since, or starts afresh; never a part.
//!
//! # What always holds
//! 1. Answered means kept: a change is answered after its commit is on disk.
//! 2. Only `engine/redb/writer.rs` opens a write transaction. A job decides, then writes; one
//!    that refuses has written nothing, and one that fails is taken out of the commit with all it
//!    wrote. Neither harms its neighbours. After the disk failed readers look at a view of the file
//!    (`engine/redb/disk.rs`) until it takes writes again.
//! 3. A member's events reach that member's sockets in commit order, and no other's.
//! 4. A socket with a hole is closed, never left open: the store is the truth, a push is a hint.
//! 5. Presence is asked of the sockets, never counted up and down.
//! 6. Every queue, body, name and wait has a named bound with the reason beside it.
//! 7. A change of an inbox takes one number; what changes nothing takes none and tells nobody.
//! 8. The clock is [`domain::clock::Clock`]; rules never ask the system for the time.
//! 9. What the server counts is in [`domain::metrics`], by an atomic where it happens; what can be
//!    asked of what is there is asked. `http/metrics.rs` puts it into words for collectors,
//!    `http/statistics.rs` for the administrators' page.
//! 10. Causes of failures are logged once and never sent; clients get a code and a sentence.
//!
//! # Where a feature goes
//! A noun has one name in every layer: `session` is `domain/session.rs` (its rules),
//! `engine/redb/session.rs` (its rows), `http/session.rs` (its routes), `SessionView.vue`,
//! `tests/it/session.rs`. A new use case is a function in the noun's domain file, a method on
//! [`domain::engine::Store`], a route, and a test. A new noun is one file in each.
//!
//! # The rooms, and the walls between them
//! `tests/it/house.rs` reads the `use` lines and fails on a wrong one.
//!
//! | room | may name | the only home of |
//! |---|---|---|
//! | [`cli`] | config, domain, fetch, http (as a client), serve | hdrhistogram, clap (with config) |
//! | [`serve`] | all | signals, the data folder, ownership of tasks |
//! | [`front`] | none | hyper's server, TLS, origins, proxies |
//! | [`fetch`] | config | the HTTPS client and its resolver |
//! | [`http`] | config, domain | poem, poem-openapi, prometheus-client, rust-embed |
//! | [`live`] | domain | socketioxide |
//! | [`engine`] | config, domain | redb, bincode |
//! | [`domain`] | config | argon2, jsonwebtoken, tar |
//! | [`config`] | none | the settings' layers |

pub mod cli;
pub mod config;
pub mod serve;

pub mod front;
pub mod http;
pub mod live;

pub mod domain;
pub mod engine;

pub mod fetch;
