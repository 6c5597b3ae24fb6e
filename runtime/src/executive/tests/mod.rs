//! Tests of block execution.
