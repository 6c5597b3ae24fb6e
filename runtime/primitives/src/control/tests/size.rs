//! The greatest record stays below the greatest value: no lower rank blocks a rescue by size.

use parity_scale_codec::Encode;

use super::world::*;
use crate::codec::{BoundedVec, Text};
use crate::did::{Did, NetworkId};
use crate::document::{ActiveMethod, Method, MethodKey, Relationships, Service};
use crate::hash::H256;
use crate::limits::{
    ALSO_KNOWN_AS_MAX, CONTROLLERS_MAX, METHODS_MAX, PENDING_BYTES_MAX, PENDING_MAX,
    RANK_BYTES_MAX, RANKS_MAX, SERVICE_ENDPOINTS_MAX, SERVICES_MAX, URI_BYTES_MAX, VALUE_BYTES_MAX,
};
use crate::log::LogHead;
use crate::operation::Lane;
use crate::record::{CoolDown, Freeze, LaneHead, Proposer, Status};
use crate::{DidId, Height, TimeMs};

fn longest<const MAX: u32>() -> Text<MAX> {
    Text::new("x".repeat(MAX as usize)).unwrap()
}

fn times<T: Clone, const MAX: u32>(value: T) -> BoundedVec<T, MAX> {
    vec![value; MAX as usize].try_into().unwrap()
}

/// Everything at its maximum, but for policy and pending changes, whose sizes have limits.
fn greatest_but_for_control() -> usize {
    let mut record = World::bare().record;
    record.status = Status::Deactivated {
        at: TimeMs(u64::MAX),
    };
    record.created_height = Height(u64::MAX);
    record.policy.ranks = BoundedVec::new();
    record.policy.guardians = Some(guardians(7));
    let method = ActiveMethod {
        method: Method {
            fragment: longest(),
            key: MethodKey::P256([2; 33]),
            relationships: Relationships::ALL,
            expires: Some(START),
        },
        since: START,
    };
    record.document.methods = times::<_, METHODS_MAX>(method);
    let service = Service {
        fragment: longest(),
        kind: longest(),
        endpoints: times::<_, SERVICE_ENDPOINTS_MAX>(longest::<URI_BYTES_MAX>()),
    };
    record.document.services = times::<_, SERVICES_MAX>(service);
    record.document.also_known_as = times::<_, ALSO_KNOWN_AS_MAX>(longest());
    let network = NetworkId::from_genesis(&H256([9; 32]));
    let controller = Did::new(network, DidId([8; 32]));
    record.document.controllers = times::<_, CONTROLLERS_MAX>(controller);
    for lane in [Lane::Guardians, Lane::Documents] {
        *record.lanes.get_mut(lane).unwrap() = LaneHead {
            next_seq: u64::MAX,
            last: H256([1; 32]),
        };
    }
    let cool_down = CoolDown {
        proposer: Proposer::Rank(3),
        until: START,
        next_ms: u64::MAX,
    };
    record.cool_downs = times::<_, PENDING_MAX>(cool_down);
    record.frozen = Some(Freeze {
        reason: longest(),
        until: START,
    });
    record.log = LogHead {
        count: u64::MAX,
        head: H256([1; 32]),
    };
    record.encoded_size()
}

#[test]
fn the_greatest_record_is_below_the_greatest_value() {
    let control = RANKS_MAX as usize * RANK_BYTES_MAX + PENDING_MAX as usize * PENDING_BYTES_MAX;
    let all = greatest_but_for_control() + control;
    assert!(all <= VALUE_BYTES_MAX, "{all} bytes");
    // So that a change of a limit that comes close is noticed before it is one too many.
    assert!(all > VALUE_BYTES_MAX / 2, "{all} bytes");
}
