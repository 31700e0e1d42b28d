//! Stories told through HTTP, Socket.IO and the command line, against real servers.
//!
//! They wait on events, never on a sleep; time is moved by hand.

#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the files are our own"
)]
#![expect(clippy::unnecessary_wraps, reason = "a request has a body or none")]

mod account;
mod counter;
mod demo;
mod front;
mod house;
mod live;
mod openapi;
mod session;
mod socket;
mod store;
mod world;
