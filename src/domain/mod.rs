//! The nouns and the policy of the service. Nothing here imports AWS or HTTP
//! types; the time and randomness are passed in.

pub mod address;
pub mod api_key;
pub mod app;
pub mod branding;
pub mod budget;
pub mod catalogue;
pub mod cors;
pub mod decision;
pub mod delivery;
pub mod egress_rules;
pub mod endpoint;
pub mod event;
pub mod event_type;
pub mod failure;
pub mod health;
mod host_name;
pub mod id;
pub mod json;
pub mod message;
mod ping;
pub mod portal_url;
mod published;
pub mod rate_limit;
pub mod redelivery;
pub mod retry;
pub mod route;
mod schema;
pub mod scope;
pub mod sealing;
pub mod secret;
pub mod session;
pub mod signing;
pub mod target_url;
pub mod time;
pub mod unreadable;
pub mod validation;
