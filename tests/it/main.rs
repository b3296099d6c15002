//! The service through its public surface: HTTP in, HTTP out, with emulators
//! of the AWS services that every test starts for itself.

#![expect(
    unreachable_pub,
    reason = "a test binary has no public surface; pub marks what tests use of the support"
)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that finds something else than it expects has failed; the exemption for \
              tests leaves out their helpers"
)]

mod support;

mod address_registries;
mod auth;
mod aws_calls;
mod bad_bodies;
mod bad_requests;
mod batch;
mod changes;
mod decoding;
mod delivery_detail;
mod disabling;
mod egress;
mod events;
mod fan_out;
mod fault_matrix;
mod fault_matrix_deliveries;
mod faults;
mod history;
mod history_filters;
mod iam;
mod interrupted;
mod interrupted_deletion;
mod isolation;
mod layers;
mod limits;
mod openapi;
mod outcomes;
mod paging;
mod ping;
mod properties;
mod publish;
mod queue;
mod queue_messages;
mod races;
mod recover;
mod resend;
mod retries;
mod rotation;
mod routing;
mod secrecy;
mod soak;
mod sweep;
mod template;
mod webhooks;
