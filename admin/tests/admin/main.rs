//! Tests the admin command as operators use it: runs the binary as a separate process, with
//! `AWS_ENDPOINT_URL` pointing at emulators.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod apps;
mod arguments;
mod event_types;
mod keys;
mod secrets;
mod service;
mod sessions;
