//! A serverless webhook service for one AWS account. Customers register endpoints over an
//! HTTP API. Events are signed according to Standard Webhooks and delivered from a queue.
//!
//! | Module | Holds | Imports |
//! |---|---|---|
//! | [`domain`] | nouns, parsing, policy: no AWS, no HTTP | - |
//! | [`config`] | the environment variables | domain |
//! | [`clock`] | the time, which tests can set | domain |
//! | `ttl_cache` | bounded in-process caches | - |
//! | [`telemetry`] | the log | - |
//! | [`aws`] | table, secrets, queues: one method per access pattern | domain, ttl_cache |
//! | [`api`] | the HTTP API, a file per noun | aws, clock, domain, ttl_cache |
//! | [`delivery`] | from queue message to recorded attempt | aws, clock, domain, ttl_cache |
//! | [`operator`] | keys, sessions, secrets and cleanup, for the admin command | aws, domain |
//! | `fuzz` | properties for fuzzers, in tests and fuzzing builds only | api, aws, clock, delivery, domain |
//!
//! There are two flows. *A management call* passes from the router through an extractor
//! that authenticates the caller, to one to three AWS calls. *A delivery* passes from the
//! queue through one read (endpoint, delivery, event), a decision, a signature, one
//! request with one deadline, another decision, and one conditional write.
//!
//! - SQS is the log; the table is a projection of it. A message leaves the queue only once
//!   its outcome is recorded.
//! - Every partition with a tenant's data begins with the app, so that no caller can make the
//!   service read another tenant's data.
//! - An endpoint names its secret version, and every attempt reads the endpoint. So a rotation
//!   takes effect at once, although secrets are cached.
//! - The service never connects to an address that [`domain::address::AddressPolicy`] refuses.
//! - A signing secret is stored in Secrets Manager, or sealed in its endpoint's item to a key
//!   whose private half is in Secrets Manager, and nowhere else. An endpoint's own headers are
//!   always sealed.

pub mod api;
pub mod aws;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod domain;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod operator;
pub mod telemetry;
mod ttl_cache;
