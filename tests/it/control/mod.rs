//! Control: thefts and losses, and how they end.

mod cast;
mod stories;
