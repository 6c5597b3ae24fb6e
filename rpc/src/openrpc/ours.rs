//! Our own methods. Summaries are the doc comments of their names, members those of their types.

use allod_rpc_api::ErrorCode::{self, *};
use allod_rpc_api::access::AccessEvaluateRequest;
use allod_rpc_api::authority::{AuthorityRequest, ProposalsResponse, RulesResponse};
use allod_rpc_api::changes::{ChangeNotification, SubscribeChangesRequest};
use allod_rpc_api::context::ContextResponse;
use allod_rpc_api::control::{PendingRequest, PendingResponse};
use allod_rpc_api::grant::{GrantCheckRequest, GrantCheckResponse};
use allod_rpc_api::identity::{
    HistoryRequest, HistoryResponse, LanesRequest, LanesResponse, ResolveRequest, ResolveResponse,
};
use allod_rpc_api::light::{
    BlockNotification, LightGenesisResponse, LightHeaderRequest, LightHeaderResponse,
    LightStatePageRequest, LightStatePageResponse, LightTransitionsRequest,
    LightTransitionsResponse, SubscribeBlocksRequest,
};
use allod_rpc_api::login::{VerifyJwsRequest, VerifyLoginRequest};
use allod_rpc_api::method::{self, *};
use allod_rpc_api::revocation::{RevocationCheckRequest, RevocationCheckResponse};
use allod_rpc_api::submit::{SubmitRequest, SubmitResponse};
use allod_rpc_api::verify::{Decision, SignatureVerdict};
use serde_json::json;

use super::book::{Book, Method};
use super::shapes::{MethodList, OpenRpc};

/// What any request of one object may be refused with.
const REQUEST: &[ErrorCode] = &[InvalidParams, InvalidHex];
/// What every read may be refused with.
const READ: &[ErrorCode] = &[
    InvalidParams,
    InvalidHex,
    Busy,
    BlockNotFound,
    StateUnavailable,
    Behind,
    TooManySets,
];
/// What a read about an identity may be refused with.
const DID: &[ErrorCode] = &[DidMalformed, DidWrongNetwork, DidNotFound];

fn summary(name: &str) -> &'static str {
    method::summary(name).unwrap_or_default()
}

pub(super) fn describe(book: &mut Book) {
    describe_reads(book);
    describe_checks(book);
    describe_light(book);
    let submitted = book.by_name::<SubmitRequest>(IDENTITY_SUBMIT, summary(IDENTITY_SUBMIT));
    let codes = [REQUEST, &[TooManyItems, NotReady]].concat();
    submitted.errors(&codes).answers::<SubmitResponse>();
    let context = book.by_position(IDENTITY_CONTEXT, summary(IDENTITY_CONTEXT), Vec::new());
    context.errors(&[]).answers::<ContextResponse>();
    let changes = IDENTITY_SUBSCRIBE_CHANGES;
    let codes = [REQUEST, &[TooManyItems, DidMalformed, DidWrongNetwork]].concat();
    book.by_name::<SubscribeChangesRequest>(changes, summary(changes))
        .errors(&codes)
        .tells::<ChangeNotification>(IDENTITY_CHANGE, IDENTITY_UNSUBSCRIBE_CHANGES);
    book.by_position(RPC_METHODS, summary(RPC_METHODS), Vec::new())
        .answers::<MethodList>();
    book.by_position(RPC_DISCOVER, summary(RPC_DISCOVER), Vec::new())
        .answers::<OpenRpc>();
    book.alias(RPC_DISCOVER_DOTTED, RPC_DISCOVER);
}

fn read<'b, Q: schemars::JsonSchema>(
    book: &'b mut Book,
    name: &str,
    codes: &[ErrorCode],
) -> Method<'b> {
    let codes = [READ, codes].concat();
    book.read::<Q>(name, summary(name)).errors(&codes)
}

fn describe_reads(book: &mut Book) {
    let codes = [DID, &[DidVersionNotFound, DidVersionUnavailable]].concat();
    read::<ResolveRequest>(book, IDENTITY_RESOLVE, &codes)
        .takes_a_lone_did()
        .proves::<ResolveResponse>();
    read::<HistoryRequest>(book, IDENTITY_HISTORY, DID)
        .takes_a_lone_did()
        .proves::<HistoryResponse>();
    read::<LanesRequest>(book, IDENTITY_LANES, DID)
        .takes_a_lone_did()
        .proves::<LanesResponse>();
    read::<PendingRequest>(book, IDENTITY_PENDING, DID)
        .takes_a_lone_did()
        .proves::<PendingResponse>();
    read::<AuthorityRequest>(book, AUTHORITY_PROPOSALS, &[]).proves::<ProposalsResponse>();
    read::<AuthorityRequest>(book, AUTHORITY_RULES, &[NotReady]).proves::<RulesResponse>();
}

fn describe_checks(book: &mut Book) {
    let login = [TooLarge, LoginNonceRequired, LoginAudienceRequired];
    read::<VerifyLoginRequest>(book, IDENTITY_VERIFY_LOGIN, &login).proves::<Decision>();
    let decision = book.proven_schema::<Decision>();
    let verdict = book.proven_schema::<SignatureVerdict>();
    read::<VerifyJwsRequest>(book, IDENTITY_VERIFY_JWS, &login)
        .note("With `asOf` the answer is no decision, but whether the signature was good then.")
        .answers_as(json!({ "anyOf": [decision, verdict] }));
    let codes = [TokenMalformed, DidMalformed, DidWrongNetwork];
    read::<RevocationCheckRequest>(book, REVOCATION_CHECK, &codes)
        .note(
            "Takes exactly one of `tag`, `jws`, and `issuer` with `exp` and either `jti` or \
             `signingInputHash`.",
        )
        .proves::<RevocationCheckResponse>();
    read::<GrantCheckRequest>(book, GRANT_CHECK, &[GrantMalformed])
        .note("Takes exactly one of `gid` and `grant`.")
        .proves::<GrantCheckResponse>();
    let codes = [TooLarge, DidMalformed, GrantMalformed];
    read::<AccessEvaluateRequest>(book, ACCESS_EVALUATE, &codes).proves::<Decision>();
}

fn describe_light(book: &mut Book) {
    book.by_position(LIGHT_GENESIS, summary(LIGHT_GENESIS), Vec::new())
        .errors(&[])
        .answers::<LightGenesisResponse>();
    let codes = [REQUEST, &[BlockNotFound, StateUnavailable]].concat();
    book.by_name::<LightHeaderRequest>(LIGHT_HEADER, summary(LIGHT_HEADER))
        .errors(&codes)
        .answers::<LightHeaderResponse>();
    book.by_name::<LightTransitionsRequest>(LIGHT_TRANSITIONS, summary(LIGHT_TRANSITIONS))
        .errors(REQUEST)
        .answers::<LightTransitionsResponse>();
    let page = [codes.as_slice(), &[TooLarge]].concat();
    book.by_name::<LightStatePageRequest>(LIGHT_STATE_PAGE, summary(LIGHT_STATE_PAGE))
        .errors(&page)
        .answers::<LightStatePageResponse>();
    let blocks = LIGHT_SUBSCRIBE_BLOCKS;
    let codes = [codes.as_slice(), &[Busy, TooSlow]].concat();
    book.by_name::<SubscribeBlocksRequest>(blocks, summary(blocks))
        .errors(&codes)
        .tells::<BlockNotification>(LIGHT_BLOCK, LIGHT_UNSUBSCRIBE_BLOCKS);
}
