//! The part of `allod`'s command line that is about governance.

#[path = "../../../../identity-client/src/bin/allod/gov/args.rs"]
#[allow(dead_code, reason = "the command line's types, without what uses them")]
pub(crate) mod args;
