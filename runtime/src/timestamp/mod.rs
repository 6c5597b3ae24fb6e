//! The block's time: the first extrinsic of every block says it.

pub mod call;
pub mod storage;

pub use call::Call;
pub use storage::now;
