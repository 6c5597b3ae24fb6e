//! Tests of the calls, one file per call or body, over plain maps and with real keys.

mod batch;
mod control;
mod deactivate;
pub(crate) mod harness;
mod incept;
mod invariants;
mod key_types;
mod ranked;
mod rotate;
mod set_not_before;
mod settle;
mod submit;
mod update_document;
