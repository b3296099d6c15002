//! What an operator does: API keys, portal sessions, moving signing secrets, and cleaning
//! up what was interrupted. The `admin` command adds arguments and printing.

pub mod keys;
pub mod moves;
pub mod sessions;
pub mod sweep;
