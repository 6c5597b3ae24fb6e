//! The one table of error codes.
//!
//! A code is `module * 1000 + variant`, positive; -32768 to -32000 stay JSON-RPC's. The table is
//! append-only: a code, once published, keeps its meaning, and a golden file pins it. Modules:
//! 1 request, 2 did, 3 token, 4 grant, 5 login, 6 transaction, 7 chain, 8 authority.
//!
//! Codes 1009, 2037 and 2038 are taken by errors that no node gives any more, and stay unused.
//! Codes 1010 to 1021 are left out: `author_*` answers with Substrate's own codes there, which
//! existing clients know.
//!
//! A verdict (*deny*) is not an error: see [`crate::verify::ReasonCode`].

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hex_bytes::HexBytes;

macro_rules! codes {
    ($($name:ident = $code:literal, $slug:literal, $message:literal, $hint:literal;)*) => {
        /// One row of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $(
                #[doc = concat!("`", $slug, "`: ", $message, ".")]
                $name = $code,
            )*
        }

        impl ErrorCode {
            /// Every row, ascending by code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the slug, such as `did.not_found`.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// Returns the external message: what is wrong, without evidence.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }

            /// Returns what to do next.
            pub const fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint,)* }
            }
        }
    };
}

codes! {
    InvalidParams = 1001, "request.invalid_params",
        "parameters are missing, unknown or of the wrong type",
        "compare the request with spec/rpc.md; unknown fields are refused";
    InvalidHex = 1002, "request.invalid_hex",
        "a byte string is not 0x and hexadecimal digits",
        "write bytes as 0x and an even number of hexadecimal digits";
    TooLarge = 1003, "request.too_large",
        "a value of the request exceeds its maximum",
        "shorten it; the maxima are in spec/rpc.md";
    TooManyItems = 1004, "request.too_many_items",
        "the request has no item or more than the maximum",
        "send 1 to 1024 items at a time";
    Undecodable = 1005, "request.undecodable",
        "bytes do not decode as the type asked for",
        "encode with the same version of the SDK as the node, and send nothing after the value";
    Internal = 1006, "request.internal",
        "the node could not answer",
        "try another node, and tell the operator of this one";
    Busy = 1007, "request.busy",
        "the node serves as many requests as it may",
        "wait a moment and try again, or ask another node";
    UnknownVersion = 1008, "request.unknown_version",
        "a version byte is not known to this node",
        "use the same version of the SDK as the node";
    RateLimited = 1022, "request.rate_limited",
        "the address asks more often than it may",
        "wait for `retryAfterMs`, ask less often, or ask for a limit of your own";
    Unauthorized = 1023, "request.unauthorized",
        "the node answers only to those who have an API key",
        "send `Authorization: Bearer KEY`, with a key of the node's operator";
    Stopping = 1024, "request.stopping",
        "the node stops",
        "ask another node, or the same one in a moment";
    DidMalformed = 2001, "did.malformed",
        "text is not a did:allod identifier",
        "write did:allod:<network>:<id> as the SDK prints it";
    DidWrongNetwork = 2002, "did.wrong_network",
        "the identifier belongs to another network",
        "ask a node of that network; identity_context names this one";
    DidNotFound = 2003, "did.not_found",
        "the ledger holds no such identity at this height",
        "check the identifier, or wait until its inception is final";
    DidAlreadyExists = 2004, "did.already_exists",
        "the identity is already on the ledger",
        "nothing is to be done, or make a new inception with a fresh salt";
    DidDeactivated = 2005, "did.deactivated",
        "the identity is deactivated for good",
        "create a new identity";
    DidIdMismatch = 2006, "did.id_mismatch",
        "the identifier is not the hash of the inception",
        "use the identifier that the SDK computes from the inception";
    DidWrongChain = 2007, "did.wrong_chain",
        "the operation names another network or fork",
        "read identity_context and sign again";
    DidLaneMismatch = 2008, "did.lane_mismatch",
        "the operation stands in a lane its kind may not use",
        "document changes go to the documents lane, control changes to the acting rank's";
    DidSequenceStale = 2009, "did.sequence_stale",
        "the lane has passed this sequence number",
        "read identity_lanes and sign again; the operation may already be final";
    DidSequenceFuture = 2010, "did.sequence_future",
        "the lane has not reached this sequence number",
        "submit the operations before it first";
    DidLaneForked = 2011, "did.lane_forked",
        "the operation does not follow the lane's last one",
        "read identity_lanes and sign again with its hash as lane_prev";
    DidOperationExpired = 2012, "did.operation_expired",
        "the operation's valid_until has passed",
        "sign again with a later valid_until";
    DidValidityTooLong = 2013, "did.validity_too_long",
        "valid_until lies too far ahead",
        "choose a valid_until within a year";
    DidPayerRefused = 2014, "did.payer_refused",
        "the operation names another payer",
        "submit it as its payer field says, or sign again";
    DidSignatureInvalid = 2015, "did.signature_invalid",
        "a signature under the operation does not verify",
        "sign the operation's preimage with the listed key";
    DidSignaturesMalformed = 2016, "did.signatures_malformed",
        "signatures are not sorted, unique and of their keys' types",
        "sort them by key and list each key once";
    DidThresholdNotMet = 2017, "did.threshold_not_met",
        "the signers do not reach the threshold of any rank that may do this",
        "collect more signatures, or sign with the current control key";
    DidCapabilityMissing = 2018, "did.capability_missing",
        "the signing rank lacks the capability",
        "sign with a rank that has it";
    DidQuotaExceeded = 2019, "did.quota_exceeded",
        "the identity has used up its quota of the day",
        "wait until midnight UTC, or go through a registrar";
    DidAdmissionRefused = 2020, "did.admission_refused",
        "the network does not accept this kind of admission",
        "read identity_context, and ask a registrar for a voucher";
    DidVoucherInvalid = 2021, "did.voucher_invalid",
        "the voucher is not a registrar's signature over this identity",
        "ask a registrar of this network for a new voucher";
    DidVoucherExpired = 2022, "did.voucher_expired",
        "the voucher has expired or is valid for too long",
        "ask the registrar for a new voucher";
    DidWorkInsufficient = 2023, "did.work_insufficient",
        "the work has too few zero bits",
        "compute it with the bits identity_context asks for";
    DidPolicyInvalid = 2024, "did.policy_invalid",
        "the control policy breaks a rule",
        "see spec/did.md on ranks, weights and thresholds";
    DidDocumentInvalid = 2025, "did.document_invalid",
        "the document breaks a rule",
        "see spec/did.md on methods, services and names";
    DidMethodNotFound = 2026, "did.method_not_found",
        "the document has no such active verification method",
        "resolve the identity and name an active method";
    DidFragmentUsed = 2027, "did.fragment_used",
        "the fragment names a method already, or did once",
        "choose a fragment this identity has never used";
    DidKeyUsed = 2028, "did.key_used",
        "the identity uses this key already, or did once",
        "make a new key";
    DidTooManyMethods = 2029, "did.too_many_methods",
        "the document would hold too many verification methods",
        "retire one first";
    DidTooManyRetired = 2030, "did.too_many_retired",
        "the identity has retired as many methods as it may",
        "create a new identity and name it in alsoKnownAs";
    DidRevealMissing = 2031, "did.reveal_missing",
        "the rank committed to its next keys and the operation does not open that",
        "sign with the next keys and add the reveal";
    DidRevealMismatch = 2032, "did.reveal_mismatch",
        "the reveal does not match the commitment",
        "use the keys, threshold and salt that were committed to";
    DidRankNotFound = 2033, "did.rank_not_found",
        "the policy has no such rank",
        "resolve the identity and name one of its ranks";
    DidChangeNotAllowed = 2034, "did.change_not_allowed",
        "the party does not stand above what it wants to change or cancel",
        "sign with a higher rank, or propose the change";
    DidNotBeforeInvalid = 2035, "did.not_before_invalid",
        "the cut-off lies before the old one or after the block's time",
        "choose a time between the two";
    DidPendingNotFound = 2036, "did.pending_not_found",
        "no pending change has this identifier",
        "resolve the identity and name a pending change";
    DidRecordTooLarge = 2039, "did.record_too_large",
        "the record would exceed its maximum",
        "remove services or methods first";
    DidFrozen = 2040, "did.frozen",
        "the identity is frozen",
        "wait for the freeze to end, or ask the trustees";
    DidKeyInvalid = 2041, "did.key_invalid",
        "a key may not be registered",
        "use a canonical key that is not of small order";
    DidEmptyChange = 2042, "did.empty_change",
        "the operation changes nothing",
        "leave it out";
    DidPendingConflict = 2043, "did.pending_conflict",
        "the proposer, or somebody of higher standing, has a pending change",
        "wait, or cancel the pending change";
    DidGuardiansInvalid = 2044, "did.guardians_invalid",
        "the guardians' leaves do not prove the quorum",
        "collect more guardians with the paths they were given";
    DidOperationMalformed = 2045, "did.operation_malformed",
        "the operation breaks a structural rule",
        "see spec/did.md on the form of operations";
    DidNotAuthorized = 2046, "did.not_authorized",
        "a signature does not verify, or the signers may not do this",
        "sign with the current control keys, up to the threshold";
    DidNotController = 2047, "did.not_controller",
        "the identity named as controller is none, or may not do this",
        "sign with the identity's own keys, or have it listed as controller first";
    DidMustWait = 2048, "did.must_wait",
        "a change of rank 0, guardians or delay waits unless next keys make it",
        "propose it, or sign with the next keys (the recovery sheet)";
    DidKeyInTwoRanks = 2049, "did.key_in_two_ranks",
        "a key would be in two ranks",
        "use another key for each rank";
    DidCoolingDown = 2050, "did.cooling_down",
        "the proposer was cancelled and must rest",
        "wait until the time that `allod did pending` shows";
    DidVersionNotFound = 2051, "did.version_not_found",
        "the identity has no such version, or was not there at that time",
        "take a versionId of an answer, or a time between its creation and the newest block";
    DidVersionUnavailable = 2052, "did.version_unavailable",
        "the node cannot rebuild that version",
        "ask another node; operations may be erased, or too many lie before it";
    TokenMalformed = 3001, "token.malformed",
        "the revocation does not name a token",
        "give a jti and exp, or a tag, or the token itself";
    TokenExpired = 3002, "token.expired",
        "the token has expired, so nothing is to be revoked",
        "nothing is to be done";
    TokenLifetimeTooLong = 3003, "token.lifetime_too_long",
        "exp lies further ahead than any token may live",
        "check exp; verifiers refuse such a token anyway";
    TokenWrongChain = 3004, "token.wrong_chain",
        "the revocation names another network or fork",
        "read identity_context and sign again";
    TokenOperationExpired = 3005, "token.operation_expired",
        "the revocation's valid_until has passed",
        "sign again with a later valid_until";
    TokenValidityTooLong = 3006, "token.validity_too_long",
        "valid_until lies too far ahead",
        "choose a valid_until within a year";
    TokenSignatureInvalid = 3007, "token.signature_invalid",
        "a signature under the revocation does not verify",
        "sign with the issuer's control key";
    TokenSignaturesMalformed = 3008, "token.signatures_malformed",
        "signatures are not sorted, unique and of their keys' types",
        "sort them by key and list each key once";
    TokenNotAuthorized = 3009, "token.not_authorized",
        "a signature does not verify, or the signers may not revoke",
        "sign with a rank of the issuer that has tokens and grants";
    TokenQuotaExceeded = 3010, "token.quota_exceeded",
        "the issuer has used up its token quota of the day",
        "log out everywhere with not-before, or go through a registrar";
    TokenPayerRefused = 3011, "token.payer_refused",
        "the revocation names another payer",
        "submit it as its payer field says, or sign again";
    TokenIssuerNotFound = 3012, "token.issuer_not_found",
        "the ledger does not hold the issuer",
        "check the issuer's identifier";
    TokenIssuerDeactivated = 3013, "token.issuer_deactivated",
        "the issuer is deactivated, and all its tokens with it",
        "nothing is to be done";
    TokenAlreadyRevoked = 3014, "token.already_revoked",
        "the token is revoked already",
        "nothing is to be done";
    GrantMalformed = 4001, "grant.malformed",
        "the grant does not decode or breaks a rule of its form",
        "see spec/grants.md";
    GrantNotFound = 4002, "grant.not_found",
        "the ledger holds no such grant",
        "anchor it first, through a registrar";
    GrantAlreadyExists = 4003, "grant.already_exists",
        "the grant is anchored already",
        "nothing is to be done; a new grant needs a new salt";
    GrantRevoked = 4004, "grant.revoked",
        "the grant is revoked and never comes back",
        "issue a new grant";
    GrantExpired = 4005, "grant.expired",
        "the grant's expiry day has passed",
        "issue a new grant";
    GrantExpiryTooFar = 4006, "grant.expiry_too_far",
        "the expiry day lies too far ahead",
        "choose an expiry within ten years";
    GrantSignatureInvalid = 4007, "grant.signature_invalid",
        "the signature is not the grant key's",
        "sign with the key derived for this grant";
    GrantWrongChain = 4008, "grant.wrong_chain",
        "the message names another network or fork",
        "read identity_context and sign again";
    GrantMessageExpired = 4009, "grant.message_expired",
        "the message's valid_until has passed",
        "sign again with a later valid_until";
    GrantKeyInvalid = 4010, "grant.key_invalid",
        "the grant key may not be registered",
        "derive the key anew with a fresh salt";
    GrantActionMismatch = 4011, "grant.action_mismatch",
        "the message does not fit the call that carries it",
        "anchor through a registrar's batch, revoke by a bare call";
    GrantValidityTooLong = 4012, "grant.validity_too_long",
        "valid_until lies too far ahead",
        "choose a valid_until within a year";
    GrantNotAuthorized = 4013, "grant.not_authorized",
        "the signers may not revoke this grant",
        "sign with the grant's key or as its owner";
    LoginNonceRequired = 5001, "login.nonce_required",
        "a login is judged against a nonce, and none was given",
        "pass the nonce of the challenge";
    LoginAudienceRequired = 5002, "login.audience_required",
        "a token is judged against an audience, and none was given",
        "pass the name this verifier goes by";
    TransactionUndecodable = 6001, "transaction.undecodable",
        "the extrinsic does not decode",
        "send a version 4 extrinsic with its length prefix";
    TransactionUnknownCall = 6002, "transaction.unknown_call",
        "the runtime has no such call",
        "read the metadata of the current spec version";
    TransactionBadSignature = 6003, "transaction.bad_signature",
        "the extrinsic's signature does not verify",
        "sign with the current spec version and genesis hash";
    TransactionStale = 6004, "transaction.stale",
        "the account's nonce has passed this one",
        "read the nonce and sign again; it may already be final";
    TransactionFuture = 6005, "transaction.future",
        "the account's nonce has not reached this one",
        "submit the extrinsics before it first";
    TransactionEraExpired = 6006, "transaction.era_expired",
        "the era has ended or its first block is unknown",
        "sign again with a newer block";
    TransactionSenderNotAllowed = 6007, "transaction.sender_not_allowed",
        "the account has no role that may send this",
        "use an account with that role, or a bare extrinsic";
    TransactionBudgetExceeded = 6008, "transaction.budget_exceeded",
        "the registrar has used up its budget of the day",
        "wait until midnight UTC, or use another registrar";
    TransactionAlreadyKnown = 6009, "transaction.already_known",
        "the extrinsic is in the pool or in a block already",
        "wait for it to be final";
    TransactionPoolFull = 6010, "transaction.pool_full",
        "the pool holds as much as it may",
        "wait a moment and try again";
    TransactionTooLarge = 6011, "transaction.too_large",
        "the extrinsic exceeds its maximum",
        "send smaller batches";
    TransactionDropped = 6012, "transaction.dropped",
        "the pool gave the extrinsic up",
        "submit it again";
    TransactionNotFinalInTime = 6013, "transaction.not_final_in_time",
        "the extrinsic was not final when the time was up",
        "it may still be; ask again by its hash before sending another";
    TransactionFailed = 6014, "transaction.failed",
        "the extrinsic is in a block and failed there",
        "see the detail";
    TransactionNotAllowed = 6015, "transaction.not_allowed",
        "this call may not be sent in this form",
        "inherents come from the proposer alone";
    TransactionConflict = 6016, "transaction.conflict",
        "another pending extrinsic takes the same place",
        "wait until it is final, then sign again";
    TransactionExhaustsBlock = 6017, "transaction.exhausts_block",
        "the extrinsic does not fit into a block",
        "send smaller batches";
    TransactionInvalid = 6018, "transaction.invalid",
        "the extrinsic is invalid",
        "see the detail";
    TransactionBatchEmpty = 6019, "transaction.batch_empty",
        "the batch has no item",
        "add one";
    BlockNotFound = 7001, "chain.block_not_found",
        "the node has no such finalized block",
        "check the hash or height";
    StateUnavailable = 7002, "chain.state_unavailable",
        "the state of that block is no longer kept",
        "ask for a newer block";
    NotReady = 7003, "chain.not_ready",
        "the node is catching up with the network",
        "wait, or ask another node";
    UnknownRuntimeCall = 7004, "chain.unknown_runtime_call",
        "the runtime has no such function",
        "see rpc_methods and the metadata";
    TooManyKeys = 7005, "chain.too_many_keys",
        "more keys were asked for than one answer holds",
        "ask for at most 1000 keys at a time";
    Behind = 7006, "chain.behind",
        "the node has not reached the height that the answer must be of at least",
        "try again, or ask another node";
    TooManySets = 7007, "chain.too_many_sets",
        "the validator set has changed more often than one proof shows",
        "call light_transitions from the set you know on, then ask again";
    TooSlow = 7008, "chain.too_slow",
        "the subscriber took notifications more slowly than they came",
        "subscribe again over a new connection, from the height after the last one received";
    NotTrustee = 8001, "authority.not_trustee",
        "only a trustee may do this",
        "sign with a trustee's account";
    ProposalNotFound = 8002, "authority.proposal_not_found",
        "no open proposal has this number",
        "check the number; it may have been decided";
    AlreadyVoted = 8003, "authority.already_voted",
        "the trustee has voted on this proposal",
        "nothing is to be done";
    ProposalExpired = 8004, "authority.proposal_expired",
        "the proposal has expired",
        "propose it again";
    TooManyProposals = 8005, "authority.too_many_proposals",
        "as many proposals are open as may be",
        "decide one first";
    ActionInvalid = 8006, "authority.action_invalid",
        "an action of the proposal breaks a rule",
        "see spec/governance.md";
    TooManyChanges = 8007, "authority.too_many_changes",
        "more validators would change than may in one period",
        "wait for the next period";
    SetTooSmall = 8008, "authority.set_too_small",
        "too few validators would remain",
        "add one in the same proposal";
    ValidatorNotFound = 8009, "authority.validator_not_found",
        "no such validator is in the set",
        "check its public key";
    ValidatorAlreadyExists = 8010, "authority.validator_already_exists",
        "the validator is in the set already",
        "nothing is to be done";
    NotRegistrar = 8011, "authority.not_registrar",
        "the account is not a registrar",
        "sign with a registrar's account";
    UpgradeInvalid = 8012, "authority.upgrade_invalid",
        "the upgrade's version or height is not ahead",
        "choose a later version and height";
    ObserverAlreadyExists = 8013, "authority.observer_already_exists",
        "the observer is admitted already",
        "nothing is to be done";
    ObserverNotFound = 8014, "authority.observer_not_found",
        "no such observer is admitted",
        "check its peer id";
    PolicyUnsatisfiable = 8015, "authority.policy_unsatisfiable",
        "nobody could amend the rules any more",
        "keep a satisfiable threshold";
    WrongProposal = 8016, "authority.wrong_proposal",
        "the vote names another content than the proposal has",
        "read the proposal again before you vote";
    NotProposer = 8017, "authority.not_proposer",
        "only its proposer can withdraw a proposal",
        "let it expire, or do not vote for it";
    NotScheduled = 8018, "authority.not_scheduled",
        "the proposal does not wait to take effect",
        "veto only what is approved and waits";
    TrusteesInvalid = 8019, "authority.trustees_invalid",
        "trustees are missing, listed twice or not in ascending order",
        "list each account once, ascending";
    DelayOutOfBounds = 8020, "authority.delay_out_of_bounds",
        "the delay lies outside its bounds",
        "at most 30 days; at least 1 hour for trustees and rules";
    ParametersInvalid = 8021, "authority.parameters_invalid",
        "the parameters lie outside their bounds",
        "see spec/governance.md and spec/limits.md";
    TooMuchPower = 8022, "authority.too_much_power",
        "more of the validators' power would change than may in one period",
        "use a smaller power, or wait for the next period";
    IdentityUnknown = 8023, "authority.identity_unknown",
        "no active identity has this name",
        "check the identity; a deactivated one cannot log in anyway";
    FreezeInvalid = 8024, "authority.freeze_invalid",
        "a freeze needs a reason and an end within 31 days",
        "give both";
    NotFrozen = 8025, "authority.not_frozen",
        "the identity is not frozen",
        "nothing is to be done";
}

impl ErrorCode {
    /// Returns the number.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// Returns the row with this number.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.code() == code)
    }

    /// Returns the row with this slug. Layers below name their errors by slug.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|it| it.slug() == slug)
    }

    /// Makes an error of this row with `detail` as evidence.
    pub fn with(self, detail: impl fmt::Display) -> RpcError {
        RpcError {
            code: self,
            detail: Some(detail.to_string()),
        }
    }
}

/// An error on its way out: a row and, where there is any, evidence safe to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcError {
    /// The row.
    pub code: ErrorCode,
    /// What exactly was found.
    pub detail: Option<String>,
}

impl From<ErrorCode> for RpcError {
    fn from(code: ErrorCode) -> Self {
        Self { code, detail: None }
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.message())?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RpcError {}

/// `error.data` of a JSON-RPC error: what the number and the message do not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorData {
    /// Slug of the row.
    pub slug: String,
    /// What to do next.
    pub hint: String,
    /// Evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// SCALE `ReadProof` that what was asked about is not there, if one was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<HexBytes>,
    /// Milliseconds after which the same request may be made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// An error inside a result: of one item of many, or of an extrinsic that failed in its block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Number of the row.
    pub code: i32,
    /// Its slug.
    pub slug: String,
    /// Its message.
    pub message: String,
    /// What to do next.
    pub hint: String,
    /// Evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl RpcError {
    /// Returns what goes into `error.data`.
    pub fn data(&self) -> ErrorData {
        ErrorData {
            slug: self.code.slug().to_owned(),
            hint: self.code.hint().to_owned(),
            detail: self.detail.clone(),
            proof: None,
            retry_after_ms: None,
        }
    }
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self {
            code: error.code.code(),
            slug: error.code.slug().to_owned(),
            message: error.code.message().to_owned(),
            hint: error.code.hint().to_owned(),
            detail: error.detail,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.slug, self.message)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rewrite with `ALLOD_BLESS=1`; the difference must only add lines.
    #[test]
    fn the_table_equals_its_golden_file() {
        let rows = ErrorCode::ALL.iter().map(|it| {
            format!(
                "{} {} | {} | {}\n",
                it.code(),
                it.slug(),
                it.message(),
                it.hint()
            )
        });
        let table: String = rows.collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/error-codes.txt");
        if std::env::var_os("ALLOD_BLESS").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        let golden = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            table, golden,
            "codes are append-only; bless with ALLOD_BLESS=1"
        );
    }

    #[test]
    fn codes_ascend_and_slugs_are_unique_and_belong_to_their_module() {
        let modules = [
            "request",
            "did",
            "token",
            "grant",
            "login",
            "transaction",
            "chain",
            "authority",
        ];
        for pair in ErrorCode::ALL.windows(2) {
            assert!(pair[0].code() < pair[1].code());
        }
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_slug(code.slug()), Some(*code));
            assert_eq!(ErrorCode::from_code(code.code()), Some(*code));
            let module = modules[usize::try_from(code.code() / 1000 - 1).unwrap()];
            assert!(
                code.slug().starts_with(&format!("{module}.")),
                "{}",
                code.slug()
            );
            assert!(!(1010..=1021).contains(&code.code()));
        }
    }
}
