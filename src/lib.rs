//! A serverless webhook service for one AWS account: customers register
//! endpoints, deliveries are signed by Standard Webhooks and sent from a queue.
//!
//! | Module | Holds | May import |
//! |---|---|---|
//! | [`config`] | the environment variables | domain |
//! | [`domain`] | nouns, parsing, policy: no AWS, no HTTP | domain |
//! | [`aws`] | table, secrets, queue: one method per access pattern | domain |
//! | [`api`] | the HTTP API, a file per noun | domain, aws |
//! | [`delivery`] | from queue message to recorded attempt | domain, aws |
//!
//! Two flows. *A management call* goes from the router through an extractor
//! that proves who calls, to one to three AWS calls. *A delivery* goes from the
//! queue through one read (endpoint and history), a signature, one request
//! under one deadline, and one conditional write.
//!
//! What always holds:
//! - The queue is the log and the table its picture: a message leaves the queue
//!   only when its outcome is recorded.
//! - An endpoint names the version of the secret that signs. Every attempt
//!   reads it, so a rotation works at once while secrets are cached for good.
//! - Nothing is connected to that [`domain::address::AddressPolicy`] refuses.
//! - A secret is in Secrets Manager and in memory, nowhere else.

pub mod api;
pub mod aws;
mod cache;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod telemetry;
