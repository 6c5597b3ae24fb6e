//! The state machine: dispatch, storage, events, metadata and the pallets.
