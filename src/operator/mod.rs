//! What an operator does: manages API keys and portal sessions, moves signing secrets,
//! and cleans up after interruptions. The `admin` command adds arguments and printing.

pub mod keys;
pub mod moves;
pub mod sessions;
pub mod sweep;
