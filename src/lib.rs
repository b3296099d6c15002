//! A serverless webhook service for one AWS account. Customers register endpoints
//! over an HTTP API; events are signed by Standard Webhooks and delivered from a
//! queue.
//!
//! | Module | Holds | Imports |
//! |---|---|---|
//! | [`domain`] | nouns, parsing, policy: no AWS, no HTTP | - |
//! | [`config`] | the environment variables | domain |
//! | [`clock`] | where the time comes from | domain |
//! | `ttl_cache` | bounded caches | - |
//! | [`telemetry`] | the log | - |
//! | [`aws`] | table, secrets, queue: one method per access pattern | domain, ttl_cache |
//! | [`api`] | the HTTP API, a file per noun | aws, clock, domain, ttl_cache |
//! | [`delivery`] | from queue message to recorded attempt | aws, clock, domain, ttl_cache |
//! | [`operator`] | API keys and cleanup, for the admin command | aws, domain |
//!
//! There are two flows. *A management call* passes from the router through an
//! extractor that authenticates the caller, to one to three AWS calls. *A delivery*
//! passes from the queue through one read (endpoint, delivery, event), a decision, a
//! signature, one request under one deadline, another decision, and one conditional
//! write.
//!
//! Invariants:
//! - SQS is the log; the table is a projection of it. A message leaves the queue
//!   only once its outcome is recorded.
//! - Every partition with a tenant's data begins with the app, so that no caller can
//!   make the service read another tenant's data.
//! - An endpoint names the secret version that signs, and every attempt reads the
//!   endpoint. So a rotation takes effect at once, although secrets are cached.
//! - The service never connects to an address that
//!   [`domain::address::AddressPolicy`] refuses.
//! - A signing secret is in Secrets Manager, or sealed in its endpoint's item to a key
//!   whose private half is, and in memory, and nowhere else. An endpoint's own headers are
//!   always sealed.

pub mod api;
pub mod aws;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod operator;
pub mod telemetry;
mod ttl_cache;
