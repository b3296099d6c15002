//! The service through its public surface: HTTP in, HTTP out, with emulators
//! of the AWS services that every test starts for itself.

#![expect(
    unreachable_pub,
    reason = "a test binary has no public surface; pub marks what tests use of the support"
)]

mod support;

mod egress;
mod outcomes;
mod ping;
