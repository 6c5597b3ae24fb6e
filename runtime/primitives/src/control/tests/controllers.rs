//! Controllers: spec/control.md §9. Whether one is listed and active is the ledger's to check.

use super::authority::by;
use super::world::*;
use crate::DidId;
use crate::control::is_authorized;
use crate::operation::{Body, Lane};
use crate::policy::Capabilities;

#[test]
fn a_controller_changes_the_document_with_a_rank_that_may() {
    let mut subject = World::bare();
    let body = Body::UpdateDocument(adding(vec![method("a", 2)]));
    let mut operation = subject.operation(Lane::Documents, None, body);
    operation.controller = Some(DidId([5; 32]));
    let ranks = vec![
        able(rank(&[31]), Capabilities::CANCEL),
        able(rank(&[32]), Capabilities::DOCUMENT),
    ];
    let controller = World::new(ranks).record.policy;
    assert!(is_authorized(&controller, &operation, &by(&[32])));
    assert!(!is_authorized(&controller, &operation, &by(&[31])));
    assert!(
        !is_authorized(&controller, &operation, &by(&[1])),
        "the subject's"
    );
    assert!(!is_authorized(&controller, &operation, &by(&[])));
}

#[test]
fn a_controller_does_nothing_else() {
    let mut subject = World::bare();
    let controller = World::new(vec![rank(&[31])]).record.policy;
    let cut_off = Body::SetNotBefore {
        not_before: START,
        bump_grant_epoch: true,
    };
    let bodies = [
        (Lane::Documents, cut_off),
        (Lane::Rank(0), rotate(to(0, &[32]))),
        (Lane::Rank(0), Body::Deactivate),
    ];
    for (lane, body) in bodies {
        let mut operation = subject.operation(lane, None, body);
        operation.controller = Some(DidId([5; 32]));
        assert!(!is_authorized(&controller, &operation, &by(&[31])));
    }
}
