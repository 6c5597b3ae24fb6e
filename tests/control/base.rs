//! The chain before a sequence: a registrar, and identities that may be controllers.

use allod_control_model::{
    Body, Carrier, Context, Document, KeySet, Lane, Operation, Payer, Policy, Proposal, RANKS,
    Rank, State, Submission, capability, step,
};
use allod_primitives::H256;
use allod_primitives::log::LogEntry;
use allod_primitives::operation::{Inception, SignedOperation};

use super::concrete::Dictionary;
use super::ledger::{Ledger, START, Verdict, inception};
use super::plan::{INCEPTION, OTHERS_KEYS, rules};

/// A chain with the identities that may be controllers, before a sequence.
#[derive(Clone)]
pub(crate) struct Base {
    pub(crate) ledger: Ledger,
    pub(crate) dictionary: Dictionary,
    pub(crate) others: Vec<(u8, State)>,
}

impl Base {
    /// Makes three others: one that acts, one that ends in a day, one that may not write.
    pub(crate) fn new() -> Self {
        let ledger = Ledger::new();
        let dictionary = Dictionary::new(ledger.chain, ledger.registrar());
        let mut base = Self {
            ledger,
            dictionary,
            others: Vec::new(),
        };
        for number in 1..4u8 {
            let key = KeySet::new(1 << (OTHERS_KEYS + u32::from(number) - 1), 1);
            let mut ranks = [Rank::VACANT; RANKS];
            ranks[0] = Rank {
                set: key,
                capabilities: capability::ALL,
                next: None,
            };
            if number == 3 {
                ranks[0].capabilities = capability::TOKENS_AND_GRANTS;
            }
            let policy = Policy {
                ranks,
                guardians: None,
                delay: 24 * 3_600_000,
            };
            base.other(number, policy);
        }
        base
    }

    fn other(&mut self, number: u8, policy: Policy) {
        let mut dictionary = self.dictionary.clone();
        let now = START + 2 * u64::from(number);
        let document = Document::default();
        let hash = incept(
            &mut self.ledger,
            &mut dictionary,
            now,
            &policy,
            &document,
            1 << OTHERS_KEYS << (number - 1),
        )
        .0;
        dictionary.learn(INCEPTION, hash);
        let mut state = State::incepted(policy, document, INCEPTION);
        if number == 2 {
            let operation = Operation {
                id: 2,
                network: 0,
                fork: 0,
                did: 0,
                lane: Lane::Rank(0),
                seq: 1,
                prev: INCEPTION,
                payer: Payer::Own,
                valid_until: now + 10,
                controller: None,
                reveal: None,
                body: Body::Propose(Proposal::Deactivation),
            };
            let submission = Submission {
                operation,
                signers: policy.ranks[0].set.keys,
                repeated: 0,
                carrier: Carrier::Bare,
            };
            let taken = step(&state, &Context::new(&rules(), now + 1), &submission);
            state = taken.expect("its own key signs").state;
            let signed = dictionary.signed(dictionary.operation(&operation), &submission, None);
            let (verdict, _) = self
                .ledger
                .offer(now + 1, &dictionary.did, &signed, false, false);
            assert_eq!(verdict, Verdict::Taken(Ok(())));
        }
        self.dictionary.others.push(dictionary.did);
        self.others.push((number, state));
    }
}

/// Creates the identity that the model calls 0; returns the operation's hash and its entry.
pub(crate) fn incept(
    ledger: &mut Ledger,
    dictionary: &mut Dictionary,
    now: u64,
    policy: &Policy,
    document: &Document,
    signers: u64,
) -> (H256, SignedOperation, LogEntry) {
    let operation = inception(
        ledger,
        Inception {
            version: 0,
            policy: dictionary.policy(policy),
            document: dictionary.document(document),
            salt: [4; 16],
        },
    );
    dictionary.did = operation.did;
    let hash = operation.hash();
    let submission = Submission {
        operation: nothing(),
        signers,
        repeated: 0,
        carrier: Carrier::Batch,
    };
    let signed = dictionary.signed(operation, &submission, None);
    let (verdict, entries) = ledger.offer(now, &dictionary.did, &signed, true, false);
    assert_eq!(verdict, Verdict::Taken(Ok(())), "inception");
    (hash, signed, entries[0].0)
}

fn nothing() -> Operation {
    Operation {
        id: 0,
        network: 0,
        fork: 0,
        did: 0,
        lane: Lane::Rank(0),
        seq: 0,
        prev: 0,
        payer: Payer::Any,
        valid_until: 0,
        controller: None,
        reveal: None,
        body: Body::Deactivate,
    }
}
