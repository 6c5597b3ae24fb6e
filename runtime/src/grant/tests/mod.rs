//! Tests, one file per call.
