//! The methods' names.

/// Takes in operations, inceptions, token revocations, grant revocations and extrinsics.
pub const IDENTITY_SUBMIT: &str = "identity_submit";
/// Returns an identity's document, metadata and record.
pub const IDENTITY_RESOLVE: &str = "identity_resolve";
/// Returns entries of an identity's log.
pub const IDENTITY_HISTORY: &str = "identity_history";
/// Returns where an identity's lanes and quotas stand.
pub const IDENTITY_LANES: &str = "identity_lanes";
/// Returns an identity's pending changes and cool-downs.
pub const IDENTITY_PENDING: &str = "identity_pending";
/// Subscribes to what happens to identities.
pub const IDENTITY_SUBSCRIBE_CHANGES: &str = "identity_subscribeChanges";
/// Ends such a subscription.
pub const IDENTITY_UNSUBSCRIBE_CHANGES: &str = "identity_unsubscribeChanges";
/// The notifications of such a subscription.
pub const IDENTITY_CHANGE: &str = "identity_change";
/// Returns what a client must know to build operations for this network.
pub const IDENTITY_CONTEXT: &str = "identity_context";
/// Judges the answer to a login challenge.
pub const IDENTITY_VERIFY_LOGIN: &str = "identity_verifyLogin";
/// Judges a token.
pub const IDENTITY_VERIFY_JWS: &str = "identity_verifyJws";
/// Tells whether a token is revoked.
pub const REVOCATION_CHECK: &str = "revocation_check";
/// Tells whether a grant is anchored, active or revoked.
pub const GRANT_CHECK: &str = "grant_check";
/// Lists what trustees have proposed and approved.
pub const AUTHORITY_PROPOSALS: &str = "authority_proposals";
/// Tells who decides, and what it takes.
pub const AUTHORITY_RULES: &str = "authority_rules";
/// Judges one access by a chain of grants.
pub const ACCESS_EVALUATE: &str = "access_evaluate";
/// Returns the genesis header and its validator set.
pub const LIGHT_GENESIS: &str = "light_genesis";
/// Returns a certified header and the set that certifies it.
pub const LIGHT_HEADER: &str = "light_header";
/// Returns the steps from a validator set to the following ones.
pub const LIGHT_TRANSITIONS: &str = "light_transitions";
/// Returns a page of the whole state.
pub const LIGHT_STATE_PAGE: &str = "light_statePage";
/// Subscribes to what blocks change of identities, revocations and grants.
pub const LIGHT_SUBSCRIBE_BLOCKS: &str = "light_subscribeBlocks";
/// Ends such a subscription.
pub const LIGHT_UNSUBSCRIBE_BLOCKS: &str = "light_unsubscribeBlocks";
/// The notifications of such a subscription.
pub const LIGHT_BLOCK: &str = "light_block";
