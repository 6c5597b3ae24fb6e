//! How the verifier states its checks.
//!
//! Every rule that a proof, a certificate or a header must meet is one `ensure!`, so that each can
//! be found: `tests/light` compiles the same sources with an `ensure!` of its own, takes away one
//! check after the other, and sees which lie is believed then.

/// Returns the error unless the condition holds. The error is not evaluated if it does.
macro_rules! ensure {
    ($condition:expr, $error:expr $(,)?) => {
        if !$condition {
            return Err(From::from($error));
        }
    };
}
