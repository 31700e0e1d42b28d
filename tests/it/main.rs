//! Stories told through HTTP, Socket.IO and the command line, against real servers.
//!
//! They wait on events, never on a sleep; time is moved by hand.

#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the files are our own"
)]
#![expect(clippy::unnecessary_wraps, reason = "a request has a body or none")]

mod abuse;
mod access;
mod account;
mod activation;
mod away;
mod backup;
mod bench;
mod canary;
mod check;
mod cli;
mod coding;
mod config;
mod counter;
mod crash;
mod demo;
mod disk;
mod doctor;
mod export;
mod fault;
mod flood;
mod fold;
mod folder;
mod forum;
mod forum_settings;
mod forum_token;
mod front;
mod fuzz;
mod gauge;
mod guess;
mod header;
mod house;
mod idempotency;
mod inbox;
mod jwks;
mod key;
mod key_cli;
mod keys;
mod limit;
mod live;
mod log;
mod manual;
mod metrics;
mod model;
mod notification;
mod notification_limits;
mod notify;
mod openapi;
mod packaging;
mod party;
mod power;
mod process;
mod race;
mod replay;
mod restart;
mod restore;
mod retention;
mod schedule;
mod selector;
mod session;
mod slow;
mod socket;
mod statistics;
mod stop;
mod store;
mod tls;
mod tokens;
mod user;
mod watchdog;
mod world;
