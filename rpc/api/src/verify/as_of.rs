//! Old signatures: was a token's signature good at an earlier time?
//!
//! This is *not* a login or an access: nothing here allows anything. A retired method may have been
//! kept by whoever has its key, so a signature by it counts only with evidence, independent of the
//! signer, that it existed while the method was in force: a hash of the token that the ledger has
//! anchored by then.

use allod_primitives::control::{Effective, effective};
use allod_primitives::document::{Method, RetireReason, RetiredMethod};
use allod_primitives::grant::{AnchorOpening, GrantEntry};
use allod_primitives::limits::{TOKEN_LEEWAY_S, TOKEN_LIFETIME_S_MAX};
use allod_primitives::record::DidRecord;
use allod_primitives::token::RevocationEntry;
use allod_primitives::{Did, H256, TimeMs, keys};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::jws::ParsedJws;
use super::reason::ReasonCode;
use super::token::{JwsExpectations, Rules};
use super::view::{LedgerView, check_fresh, judged_at, read};

/// What is asked of an old signature.
#[derive(Clone, Copy, Debug)]
pub struct AsOfExpectations<'a> {
    /// What the token must be, judged as if the verifier's clock said `as_of`; `now` is still the
    /// verifier's clock, by which methods are current and the view's block is fresh.
    pub token: JwsExpectations<'a>,
    /// The time in question.
    pub as_of: TimeMs,
    /// Opens the anchor of the token, if there is one.
    pub evidence: Option<AnchorOpening>,
}

/// Whether a signature was good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It was.
    Valid,
    /// It was not, and no evidence can change that.
    Invalid,
    /// It may have been: what there is does not show it.
    Indeterminate,
}

/// The answer about an old signature. It has no `decision`: it never allows an access.
///
/// Source: spec/login.md §7.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignatureVerdict {
    /// Whether it was good.
    pub verdict: Standing,
    /// Why.
    pub reason: ReasonCode,
    /// The reason in words.
    pub message: String,
    /// The time in question, ms.
    pub as_of: u64,
    /// Height of the block it was judged by.
    pub height: u64,
    /// Time of that block, ms.
    pub time: u64,
    /// DID of the token's issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::pattern::DID))]
    pub did: Option<String>,
    /// DID URL of the signing method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = crate::pattern::DID_URL))]
    pub method: Option<String>,
    /// The token's `exp`, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// By when the ledger shows that the token existed, ms: where the evidence was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchored: Option<u64>,
    /// Whether the ledger would still know of a revocation of the token. It forgets them soon after
    /// `exp`; from then on nothing is `valid` any more.
    pub revocation_known: bool,
}

impl SignatureVerdict {
    /// Returns whether the signature was good.
    pub fn is_valid(&self) -> bool {
        self.verdict == Standing::Valid
    }
}

/// Judges an old signature: the token as of `as_of`, its method by all that the view's block knows.
///
/// Cost: two to five reads and one signature check.
///
/// Source: spec/login.md §7.
pub fn verify_jws_as_of(
    view: &impl LedgerView,
    jws: &str,
    expectations: &AsOfExpectations<'_>,
) -> SignatureVerdict {
    let mut seen = Seen::default();
    let parsed = ParsedJws::parse(jws);
    let reason = match &parsed {
        Ok(parsed) => match judge(view, jws, parsed, expectations, &mut seen) {
            Ok(()) => ReasonCode::Ok,
            Err(reason) => reason,
        },
        Err(reason) => *reason,
    };
    let parsed = parsed.as_ref().ok();
    let (height, time) = view.head();
    SignatureVerdict {
        verdict: standing(reason),
        reason,
        message: reason.message().to_owned(),
        as_of: expectations.as_of.0,
        height: height.0,
        time: time.0,
        did: parsed.and_then(|it| Some(it.issuer().ok()?.to_string())),
        method: parsed.map(|it| format!("{}#{}", it.signer, it.fragment)),
        expires: parsed.and_then(|it| it.claims.exp),
        anchored: seen.anchored.map(|it| it.0),
        revocation_known: seen.revocation_known,
    }
}

/// Returns what a reason makes of the signature.
const fn standing(reason: ReasonCode) -> Standing {
    match reason {
        ReasonCode::Ok => Standing::Valid,
        ReasonCode::AsOfAhead
        | ReasonCode::EvidenceMissing
        | ReasonCode::EvidenceNotFound
        | ReasonCode::EvidenceMismatch
        | ReasonCode::EvidenceOutOfTime
        | ReasonCode::CutoffUnknown
        | ReasonCode::RevocationUnknown
        | ReasonCode::StaleState
        | ReasonCode::StateUnavailable => Standing::Indeterminate,
        _ => Standing::Invalid,
    }
}

/// What was found on the way.
#[derive(Default)]
struct Seen {
    anchored: Option<TimeMs>,
    revocation_known: bool,
}

/// A verification method and the time it was in force.
struct Term {
    method: Method,
    since: TimeMs,
    /// `None` for a method that stands in the document.
    retired: Option<(TimeMs, RetireReason)>,
}

impl Term {
    /// Returns when it ended or ends, whatever for: from then on it did not count.
    fn end(&self) -> TimeMs {
        let expires = self.method.expires.unwrap_or(TimeMs(u64::MAX));
        match self.retired {
            None => expires,
            Some((until, RetireReason::Routine)) => expires.min(until),
            Some((until, RetireReason::CompromisedSince(since))) => expires.min(until).min(since),
        }
    }

    fn contains(&self, time: TimeMs) -> bool {
        self.since <= time && time < self.end()
    }

    /// Returns whether it is still in force at `time`.
    fn is_current(&self, time: TimeMs) -> bool {
        self.retired.is_none() && time < self.end()
    }
}

fn judge(
    view: &impl LedgerView,
    jws: &str,
    parsed: &ParsedJws<'_>,
    expectations: &AsOfExpectations<'_>,
    seen: &mut Seen,
) -> Result<(), ReasonCode> {
    let AsOfExpectations { token, as_of, .. } = *expectations;
    let rules = Rules {
        expected: token,
        lifetime_s_max: TOKEN_LIFETIME_S_MAX,
        is_login: false,
    };
    let issuer = rules.check_parties(view, parsed)?;
    let (iat, exp) = rules.check_times(parsed, as_of)?;
    rules.check_purpose(parsed)?;
    check_fresh(view, token.now, token.max_staleness_ms)?;

    let (_, time) = view.head();
    let record: Option<DidRecord> = read(view, &keys::did_record(&issuer.id()))?;
    let signer = effective(&record.ok_or(ReasonCode::DidNotFound)?, time);
    if as_of > time {
        return Err(ReasonCode::AsOfAhead);
    }
    let term = term(view, &issuer, &signer, &parsed.fragment)?;
    if !term.method.relationships.contains(token.relationship) {
        return Err(ReasonCode::RelationshipMissing);
    }
    parsed.verify(&term.method.key)?;
    if !term.contains(as_of) {
        return Err(ReasonCode::KeyNotInForce);
    }
    let cut_off = signer.record.not_before;
    let is_cut_off = iat.saturating_mul(1000) < cut_off.0;
    if is_cut_off && cut_off <= as_of {
        return Err(ReasonCode::TokenBeforeCutoff);
    }
    seen.revocation_known = time.seconds() <= exp.saturating_add(TOKEN_LEEWAY_S);
    for tag in parsed.tags(&view.chain().genesis, &issuer.id(), exp) {
        let entry: Option<RevocationEntry> = read(view, &keys::revocation(&tag))?;
        if entry.is_some_and(|entry| entry.revoked_at <= as_of) {
            return Err(ReasonCode::TokenRevoked);
        }
    }
    if !term.is_current(judged_at(view, token.now)) {
        let opening = expectations.evidence;
        let opening = opening.ok_or(ReasonCode::EvidenceMissing)?;
        let anchored = anchored(view, &opening, jws)?;
        seen.anchored = Some(anchored);
        if !term.contains(anchored) {
            return Err(ReasonCode::EvidenceOutOfTime);
        }
    }
    // The record has the last cut-off alone: an earlier one may have been there by then.
    match (is_cut_off, seen.revocation_known) {
        (true, _) => Err(ReasonCode::CutoffUnknown),
        (false, false) => Err(ReasonCode::RevocationUnknown),
        (false, true) => Ok(()),
    }
}

/// Finds a method that `did` has or had.
fn term(
    view: &impl LedgerView,
    did: &Did,
    signer: &Effective,
    fragment: &str,
) -> Result<Term, ReasonCode> {
    let mut listed = signer.record.document.methods.iter();
    if let Some(active) = listed.find(|it| it.method.fragment.as_str() == fragment) {
        return Ok(Term {
            method: active.method.clone(),
            since: active.since,
            retired: None,
        });
    }
    // Retired by the passing of time, which nobody may have written down yet.
    let mut unwritten = signer.retired.iter();
    let unwritten = unwritten.find(|it| it.method.fragment.as_str() == fragment);
    let retired: RetiredMethod = match unwritten {
        Some(retired) => retired.clone(),
        None => {
            read(view, &keys::did_retired(&did.id(), fragment))?.ok_or(ReasonCode::KeyUnknown)?
        }
    };
    Ok(Term {
        since: retired.since,
        retired: Some((retired.until, retired.reason)),
        method: retired.method,
    })
}

/// Returns when the token was anchored. A revoked anchor counts too: its key can take back nothing
/// of the past.
fn anchored(
    view: &impl LedgerView,
    opening: &AnchorOpening,
    jws: &str,
) -> Result<TimeMs, ReasonCode> {
    let gid: H256 = opening.gid(&view.chain().genesis, jws);
    let entry: Option<GrantEntry> = read(view, &keys::grant(&gid))?;
    let entry = entry.ok_or(ReasonCode::EvidenceNotFound)?;
    let same = entry.grant_key == opening.grant_key && entry.expiry_day == opening.expiry_day;
    match same {
        true => Ok(entry.anchored),
        false => Err(ReasonCode::EvidenceMismatch),
    }
}
