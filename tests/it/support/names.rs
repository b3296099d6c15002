//! DNS resolvers that a test controls.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use webhook_endpoints::delivery::egress::{Resolve, Resolving};

/// An address that the policy refuses (RFC 791, "this network") although a connection to it
/// would succeed, because the operating system treats it as the local machine. If the guard
/// let it through, a local receiver would notice, and nothing would leave the machine.
pub const REFUSED: &str = "0.0.0.0";

/// The address of test receivers.
pub const LOOPBACK: &str = "127.0.0.1";

/// Resolves any name: the first query to the first list of addresses, and so on. The last
/// list repeats.
pub struct Names {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Names {
    /// Resolves every query to these addresses, which may be none.
    pub fn always(addresses: &[&str]) -> Arc<Self> {
        Self::in_turn(&[addresses])
    }

    /// Resolves each query to the next of these lists.
    pub fn in_turn(answers: &[&[&str]]) -> Arc<Self> {
        let address = |text: &&str| text.parse().expect("parse the address");
        Arc::new(Self {
            answers: answers
                .iter()
                .map(|addresses| addresses.iter().map(address).collect())
                .collect(),
            asked: AtomicUsize::new(0),
        })
    }

    /// How many queries were made.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve(&self, _: String) -> Resolving {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[turn.min(self.answers.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    }
}

/// A resolver that never answers.
pub struct Silence;

impl Resolve for Silence {
    fn resolve(&self, _: String) -> Resolving {
        Box::pin(std::future::pending())
    }
}
