//! Types that a stranger verifies without a ledger: headers, certificates, sets, proofs, grants.

pub(crate) mod certificate;
pub(crate) mod header;
pub(crate) mod objects;
pub(crate) mod tree;
