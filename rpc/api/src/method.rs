//! The methods' names.

macro_rules! methods {
    ($(#[doc = $summary:literal] $name:ident = $text:literal;)*) => {
        $(
            #[doc = $summary]
            pub const $name: &str = $text;
        )*

        /// Returns what the method of this name does, in one sentence: its constant's doc comment.
        pub fn summary(method: &str) -> Option<&'static str> {
            match method {
                $($text => Some($summary.trim_ascii()),)*
                _ => None,
            }
        }
    };
}

methods! {
    /// Takes in operations, inceptions, token revocations, grant revocations and extrinsics.
    IDENTITY_SUBMIT = "identity_submit";
    /// Returns an identity's document, metadata and record.
    IDENTITY_RESOLVE = "identity_resolve";
    /// Returns entries of an identity's log.
    IDENTITY_HISTORY = "identity_history";
    /// Returns where an identity's lanes and quotas stand.
    IDENTITY_LANES = "identity_lanes";
    /// Returns an identity's pending changes and cool-downs.
    IDENTITY_PENDING = "identity_pending";
    /// Subscribes to what happens to identities.
    IDENTITY_SUBSCRIBE_CHANGES = "identity_subscribeChanges";
    /// Ends such a subscription.
    IDENTITY_UNSUBSCRIBE_CHANGES = "identity_unsubscribeChanges";
    /// The notifications of such a subscription.
    IDENTITY_CHANGE = "identity_change";
    /// Returns what a client must know to build operations for this network.
    IDENTITY_CONTEXT = "identity_context";
    /// Judges the answer to a login challenge.
    IDENTITY_VERIFY_LOGIN = "identity_verifyLogin";
    /// Judges a token.
    IDENTITY_VERIFY_JWS = "identity_verifyJws";
    /// Tells whether a token is revoked.
    REVOCATION_CHECK = "revocation_check";
    /// Tells whether a grant is anchored, active or revoked.
    GRANT_CHECK = "grant_check";
    /// Lists what trustees have proposed and approved.
    AUTHORITY_PROPOSALS = "authority_proposals";
    /// Tells who decides, and what it takes.
    AUTHORITY_RULES = "authority_rules";
    /// Judges one access by a chain of grants.
    ACCESS_EVALUATE = "access_evaluate";
    /// Returns the genesis header and its validator set.
    LIGHT_GENESIS = "light_genesis";
    /// Returns a certified header and the set that certifies it.
    LIGHT_HEADER = "light_header";
    /// Returns the steps from a validator set to the following ones.
    LIGHT_TRANSITIONS = "light_transitions";
    /// Returns a page of the whole state.
    LIGHT_STATE_PAGE = "light_statePage";
    /// Subscribes to what blocks change of identities, revocations and grants.
    LIGHT_SUBSCRIBE_BLOCKS = "light_subscribeBlocks";
    /// Ends such a subscription.
    LIGHT_UNSUBSCRIBE_BLOCKS = "light_unsubscribeBlocks";
    /// The notifications of such a subscription.
    LIGHT_BLOCK = "light_block";
    /// Lists the methods that this node serves.
    RPC_METHODS = "rpc_methods";
    /// Returns this document: every method that this node serves, as OpenRPC describes it.
    RPC_DISCOVER = "rpc_discover";
    /// Another name of `rpc_discover`, which OpenRPC's tools ask for.
    RPC_DISCOVER_DOTTED = "rpc.discover";
}
