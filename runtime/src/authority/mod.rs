//! Who may do what: trustees, validators, registrars, observers, and how trustees change it.
//!
//! Trustees only vote. A change of validators executed in block h takes effect for block h+2, so
//! that the header of h already names the set of h+1. It is *not* a way to control identities: no
//! action changes who controls one; a freeze stops its logins for a time. See spec/governance.md.

mod actions;
pub mod admission;
pub mod call;
pub mod error;
pub mod event;
mod governance;
pub mod invariants;
pub mod registrar;
pub mod rules;
pub mod sets;
pub mod storage;
mod turnover;
pub mod types;
pub mod upgrade;

pub use admission::{check_admission, check_voucher, consume_admission};
pub use call::Call;
pub use error::Error;
pub use event::Event;
pub use governance::{open_proposals, proposal, schedule};
pub use registrar::{OverBudget, charge, check_budget, is_registrar, registrar, remaining_budget};
pub use rules::requirement;
pub use sets::{Peer, PeerRole, peers, validator_sets};
pub use storage::{
    admission_policy, chain_id, control_parameters, has_role, is_trustee, parameters, rule,
};
pub use types::{
    Action, ActionKind, AdmissionPolicy, ControlParameters, Observer, Parameters, PeerAddress,
    PeerId, Proposal, Registrar, Requirement, Rule, ScheduledUpgrade, Trustees, ValidatorInfo,
};
pub use upgrade::{UpgradeRequired, present_version, required_version, scheduled_upgrade};

use crate::frame::Context;

/// Index of the pallet in calls, events and errors.
pub const PALLET_INDEX: u8 = 2;

/// Begins a block: the set that was next certifies from now on; expired proposals go, and
/// approved ones that are due are carried out.
pub(crate) fn on_initialize(context: &mut Context<'_>) {
    sets::rotate(&mut context.state);
    governance::prune_expired(context);
    governance::execute_due(context);
}
