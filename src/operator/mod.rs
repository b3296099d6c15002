//! What an operator does: API keys, and cleaning up what was interrupted. The
//! `admin` command adds arguments and printing.

pub mod keys;
pub mod sweep;
