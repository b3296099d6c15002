//! The service on one machine, for development and for the tests: emulators of
//! the three AWS services in this process, with the table and the queues of
//! `template.yaml`, and a poller in the place of Lambda's.

pub mod emulators;
pub mod gateway;
pub mod poller;
pub mod receiver;
pub mod samples;
pub mod service;
pub mod template;
