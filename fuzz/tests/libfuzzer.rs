//! Passes libFuzzer's inputs to the target named by the environment variable `FUZZ_TARGET`.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use webhook_endpoints::fuzz::Target;

#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "libFuzzer parses the arguments itself, and stops at a panic"
)]
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET is set");
    Target::named(&name).expect("FUZZ_TARGET names a target")
});

fuzz_target!(|input: &[u8]| TARGET.run(input));
