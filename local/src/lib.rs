//! Runs the service on one machine, for development and tests. Emulators of the three AWS services
//! run in this process, with the table and the queues from `template.yaml`. A poller replaces
//! Lambda's event source mapping.

pub mod alarms;
pub mod catalogue;
pub mod dynamodb;
pub mod emulators;
pub mod gateway;
pub mod lost_answers;
pub mod mapping;
pub mod poller;
pub mod receiver;
pub mod samples;
pub mod service;
pub mod template;
mod waking;
