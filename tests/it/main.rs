//! The service through its public surface: HTTP in, HTTP out, with emulators
//! of the AWS services that every test starts for itself.

#![expect(
    unreachable_pub,
    reason = "a test binary has no public surface; pub marks what tests use of the support"
)]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that can't go on fails"
)]

mod support;

mod events;
mod layers;
mod ping;
mod template;
