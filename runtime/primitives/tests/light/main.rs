//! What the light client's verifier believes: honest answers and lies, one lie per check.
//!
//! Method: `world` makes a small chain with two changes of its validator set, every secret key at
//! hand. `cases` asks the verifier about it, honestly and with one lie each. `vectors` compares the
//! cases with the files in `spec/vectors` and with the library's verdict. `removal` compiles the
//! library's own sources again, with an `ensure!` that can be switched off, and shows for each
//! check that without it exactly the lies that are named after it are believed.
#![allow(clippy::unwrap_used, missing_docs, reason = "test code")]

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    /// The checks that are taken away: (file, line) of their `ensure!`.
    static REMOVED: RefCell<BTreeSet<(String, u32)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Whether this check is taken away. `file`: as the compiler names it.
fn is_removed(file: &str, line: u32) -> bool {
    REMOVED.with_borrow(|removed| {
        let mut removed = removed.iter();
        removed.any(|(name, at)| *at == line && file.ends_with(name.as_str()))
    })
}

/// The library's `ensure!`, unless the check is taken away.
macro_rules! ensure {
    ($condition:expr, $error:expr $(,)?) => {
        if !crate::is_removed(file!(), line!()) && !$condition {
            return Err(From::from($error));
        }
    };
}

// What the copied sources find in their crate besides one another.
#[allow(unused_imports, reason = "the copied sources import them by `crate::`")]
use allod_primitives::{crypto, did, hash, header, keys, limits, merkle, types};

#[path = "../../src/certificate.rs"]
#[allow(dead_code, unreachable_pub, reason = "a copy of a library module")]
mod certificate;
#[path = "../../src/codec.rs"]
#[allow(dead_code, unreachable_pub, reason = "a copy of a library module")]
mod codec;
#[path = "../../src/light/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "a copy of a library module"
)]
mod light;
mod tree;

mod ask;
mod cases;
mod forks;
mod hostile;
mod kept;
mod library;
mod removal;
mod vectors;
mod world;
