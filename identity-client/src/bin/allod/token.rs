//! `allod token …`

use std::path::Path;

use allod_identity_client::anchors::{Anchor, AnchorError};
use allod_identity_client::hex;
use allod_identity_client::jwt::{TokenRequest, Unverified, issue_token};
use allod_identity_client::keys::{Identity, SecretKey};
use allod_identity_client::operation::{Signer, call, sign_token_operation, token_operation};
use allod_primitives::limits::GRANT_DAYS_MAX;
use allod_primitives::policy::{Capabilities, ControlPolicy, Rank};
use allod_primitives::token::TokenId;
use allod_primitives::{H256, TimeMs};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::document::date_time;
use allod_rpc_api::login::{Relationship, VerifyJwsRequest};
use allod_rpc_api::submit::SubmitItem;
use allod_rpc_api::verify::{Decision, SignatureVerdict, Standing, token_names};
use parity_scale_codec::Encode;
use serde_json::{Map, Value, json};

use crate::amounts::{Moment, Seconds};
use crate::args::{Purpose, TokenCommand, Write};
use crate::console::Report;
use crate::effect::Revoked;
use crate::failure::Failure;
use crate::session::Session;

/// How long the message that anchors a token stays valid.
const ANCHOR_VALIDITY_MS: u64 = 24 * 3600 * 1000;

pub(crate) async fn run(session: &Session, command: TokenCommand) -> Result<Report, Failure> {
    match command {
        TokenCommand::Issue {
            alias,
            audience,
            subject,
            lifetime,
            claim,
        } => {
            let request = TokenRequest {
                subject: subject.map(|it| session.subject(&it)).transpose()?,
                audience: Some(audience),
                lifetime_s: lifetime.0,
                claims: claims(&claim)?,
            };
            issue(session, &alias, &request)
        }
        TokenCommand::Revoke {
            alias,
            token,
            jti,
            exp,
            write,
        } => {
            let named = jti.zip(exp);
            Box::pin(revoke(session, &alias, token.as_deref(), named, &write)).await
        }
        TokenCommand::Check {
            token,
            audience,
            purpose,
            as_of,
            evidence,
        } => {
            let request = asked(session, &token, audience, purpose)?;
            match as_of {
                None => check(session, &request).await,
                Some(as_of) => check_as_of(session, request, as_of, evidence.as_deref()).await,
            }
        }
        TokenCommand::Anchor {
            token,
            out,
            keep,
            no_anchor,
            registrar,
            write,
        } => {
            let registrar = match no_anchor {
                true => None,
                false => Some(session.need_registrar(&registrar)?),
            };
            Box::pin(anchor(session, &token, &out, keep, registrar, &write)).await
        }
    }
}

fn issue(session: &Session, alias: &str, request: &TokenRequest) -> Result<Report, Failure> {
    let identity = session.unlock(alias)?;
    let method = identity.login_method().ok_or_else(|| no_method(alias))?;
    let now = session.clock.now_for(&identity.genesis).seconds();
    let issued = issue_token(&identity.did, method, request, now)?;
    let token = Unverified::parse(&issued.jwt)?;
    let tag = token.tag(&identity.genesis)?;
    let fields = json!({
        "token": issued.jwt,
        "jti": issued.jti,
        "exp": issued.exp,
        "tag": tag.to_string(),
        "method": format!("{}#{}", identity.did, method.fragment),
    });
    let expires = date_time(TimeMs(issued.exp.saturating_mul(1000)));
    let note = format!("jti {}, exp {} ({expires})", issued.jti, issued.exp);
    Ok(Report::new(issued.jwt, fields).note(note))
}

async fn revoke(
    session: &Session,
    alias: &str,
    token: Option<&str>,
    named: Option<(String, u64)>,
    write: &Write,
) -> Result<Report, Failure> {
    let identity = session.unlock(alias)?;
    let (id, exp) = match (named, token) {
        (Some((jti, exp)), _) => (TokenId::from_jti(&jti), exp),
        (None, Some(token)) => {
            let token = Unverified::parse(&session.token(token)?)?;
            if token.issuer()? != identity.did {
                let message = format!("the token was not issued by {alias}");
                let hint = "name the identity in its iss claim";
                return Err(Failure::negative("token.not_authorized", message, hint));
            }
            (token.token_id(), token.expires()?)
        }
        (None, None) => {
            return Err(Failure::usage(
                "which token?",
                "give the token, or --jti and --exp",
            ));
        }
    };
    let network = session.network().await?;
    network.check(&identity.did)?;
    let operation = token_operation(&network.terms(), identity.did.id(), id, exp);
    let tag = operation.tag();
    let resolved = session.resolve(&identity.did, None).await?;
    let signed = sign_token_operation(operation, &signers(&identity, &resolved.record.policy))?;
    let sent = session.submit(SubmitItem::token(&signed), write).await;
    let already = |it: &Failure| it.code == Some(ErrorCode::TokenAlreadyRevoked.code());
    let fields = json!({ "tag": tag.to_string(), "exp": exp });
    let (did, what) = (&identity.did, Revoked::Token(tag));
    session
        .revoked(&network, did, what, sent, already, fields)
        .await
}

/// Returns the keys of the lowest rank that may revoke and that this file can sign for.
fn signers<'a>(identity: &'a Identity, policy: &ControlPolicy) -> Vec<&'a SecretKey> {
    let able = policy.ranks.iter().rev();
    let mut able = able.filter(|rank| rank.capabilities.contains(Capabilities::TOKENS_AND_GRANTS));
    let of = |rank: &Rank| -> Option<Vec<&'a SecretKey>> {
        let keys = identity.control.iter().map(|it| &it.key);
        let keys: Vec<_> = keys
            .filter(|key| rank.weight_of(&key.control_key()) > 0)
            .collect();
        let weights = keys.iter().map(|key| rank.weight_of(&key.control_key()));
        let weight = weights.fold(0u32, u32::saturating_add);
        (!keys.is_empty() && weight >= rank.threshold).then_some(keys)
    };
    able.find_map(of).unwrap_or_default()
}

/// Notes on the ledger that a token exists, and writes what opens the note.
async fn anchor(
    session: &Session,
    token: &str,
    out: &Path,
    keep: Seconds,
    registrar: Option<SecretKey>,
    write: &Write,
) -> Result<Report, Failure> {
    let jws = session.token(token)?;
    // What is no token would be no evidence either.
    token_names(&jws)
        .map_err(|reason| Failure::negative("token.malformed", reason.message(), reason.hint()))?;
    let network = session.network().await?;
    let now = network.now();
    let expiry_day = now.plus_ms(keep.ms()).day();
    if expiry_day > now.day().saturating_add(GRANT_DAYS_MAX) {
        let hint = format!("choose at most {GRANT_DAYS_MAX}d");
        return Err(Failure::usage("the ledger keeps nothing for so long", hint));
    }
    let genesis = network.chain.genesis;
    let anchor = match out.exists() {
        // Begun before: the same anchor again, not one of a later time beside it.
        true => begun(session, out, genesis, now)?,
        false => Anchor::new(genesis, &jws, expiry_day)?,
    };
    let until = now.plus_ms(ANCHOR_VALIDITY_MS);
    let message = anchor.message(&network.chain, &jws, until)?;
    // On disk before it is on the ledger, where it is worth nothing without its opening.
    if !out.exists() {
        anchor.write(out)?;
    }
    let expiry_day = anchor.opening.expiry_day;
    let (gid, file) = (anchor.gid.to_string(), out.display().to_string());
    let mut fields = json!({ "gid": gid, "file": file, "expiryDay": expiry_day });
    let keep_it = format!("keep {file} with the token");
    let Some(key) = registrar else {
        let message = hex::encode(message.encode());
        fields["anchorMessage"] = json!(message);
        let note = format!("{file} opens {gid}; a registrar has to anchor it");
        return Ok(Report::new(message, fields).note(note));
    };
    let call = call::grant_anchor(&[message]);
    let item = session.transaction(&network, &key, call).await?;
    let sent = session.submit(item, write).await;
    let anchored = Box::pin(session.anchored(&network, &anchor, sent, fields));
    Ok(anchored.await?.note(keep_it))
}

/// Reads the file of an anchor that was begun before: one of this network, and not of a past day.
fn begun(session: &Session, path: &Path, genesis: H256, now: TimeMs) -> Result<Anchor, Failure> {
    let anchor = Anchor::from_json(&session.read(path)?)?;
    let refused = match anchor.genesis == genesis {
        false => "is of another network",
        true if anchor.opening.expiry_day < now.day() => "is past its day",
        true => return Ok(anchor),
    };
    let message = format!("the anchor in {} {refused}", path.display());
    Err(Failure::usage(message, "give --out another file"))
}

fn asked(
    session: &Session,
    token: &str,
    audience: Option<String>,
    purpose: Purpose,
) -> Result<VerifyJwsRequest, Failure> {
    let jws = session.token(token)?;
    let audience = match audience {
        Some(audience) => audience,
        None => own_audience(&Unverified::parse(&jws)?)?,
    };
    Ok(VerifyJwsRequest {
        jws,
        audience,
        nonce: None,
        relationship: Some(relationship(purpose)),
        max_age_s: None,
        time: None,
        max_staleness_ms: None,
        as_of: None,
        evidence: None,
    })
}

async fn check_as_of(
    session: &Session,
    mut request: VerifyJwsRequest,
    as_of: Moment,
    evidence: Option<&Path>,
) -> Result<Report, Failure> {
    request.as_of = Some(match as_of {
        Moment::Now => session.clock.now().0,
        Moment::At(time) => time.0,
    });
    let anchor = match evidence {
        None => None,
        Some(path) => Some(Anchor::from_json(&session.read(path)?)?),
    };
    if anchor.is_some_and(|it| !it.is_of(&request.jws)) {
        return Err(AnchorError::OtherToken.into());
    }
    request.evidence = anchor.map(|it| it.evidence());
    let asked = session.verify_jws_as_of(&request);
    let waiting = session.console.during("waiting for the node", asked);
    Ok(signature_verdict(&waiting.await?))
}

/// Reports on an old signature: `valid`, or `invalid` or `indeterminate` and the reason.
fn signature_verdict(verdict: &SignatureVerdict) -> Report {
    let json = serde_json::to_value(verdict).unwrap_or_default();
    let as_of = date_time(TimeMs(verdict.as_of));
    let mut notes = vec![match verdict.is_valid() {
        true => format!("it was good at {as_of}, as of height {}", verdict.height),
        false => format!("{}, as of height {}", verdict.message, verdict.height),
    }];
    if let Some(anchored) = verdict.anchored {
        let anchored = date_time(TimeMs(anchored));
        notes.push(format!("the ledger shows that it existed at {anchored}"));
    }
    let word = match verdict.verdict {
        Standing::Valid => "valid".to_owned(),
        Standing::Invalid => format!("invalid {}", verdict.reason),
        Standing::Indeterminate => format!("indeterminate {}", verdict.reason),
    };
    let mut report = notes
        .into_iter()
        .fold(Report::new(word, json), Report::note);
    if !verdict.is_valid() {
        report.hint = Some(verdict.reason.hint().to_owned());
        report.negative = true;
    }
    report
}

async fn check(session: &Session, request: &VerifyJwsRequest) -> Result<Report, Failure> {
    let asked = session.verify_jws(request);
    let decision = session
        .console
        .during("waiting for the node", asked)
        .await?;
    Ok(verdict(&decision))
}

/// Reports an allow or deny: `allow`, or `deny` and the reason.
pub(crate) fn verdict(decision: &Decision) -> Report {
    let json = serde_json::to_value(decision).unwrap_or_default();
    let height = decision.height;
    if decision.is_allowed() {
        return Report::new("allow", json).note(format!("as of height {height}"));
    }
    let text = format!("deny {}", decision.reason);
    let note = format!("{}, as of height {height}", decision.message);
    let mut report = Report::new(text, json).note(note);
    report.hint = Some(decision.reason.hint().to_owned());
    report.negative = true;
    report
}

pub(crate) fn no_method(alias: &str) -> Failure {
    let message = format!("{alias} has no method in force");
    Failure::negative("did.method_not_found", message, "rotate to add one")
}

fn own_audience(token: &Unverified) -> Result<String, Failure> {
    let first = match token.claims.get("aud") {
        Some(Value::Array(list)) => list.first(),
        other => other,
    };
    let text = first.and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| Failure::usage("the token names no audience", "give --audience URI"))
}

fn claims(list: &[String]) -> Result<Map<String, Value>, Failure> {
    let mut claims = Map::new();
    for text in list {
        let Some((name, value)) = text.split_once('=') else {
            let message = format!("{text} is not a claim");
            return Err(Failure::usage(message, "write --claim name=value"));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        claims.insert(name.to_owned(), value);
    }
    Ok(claims)
}

const fn relationship(purpose: Purpose) -> Relationship {
    match purpose {
        Purpose::Authentication => Relationship::Authentication,
        Purpose::Assertion => Relationship::AssertionMethod,
        Purpose::Invocation => Relationship::CapabilityInvocation,
        Purpose::Delegation => Relationship::CapabilityDelegation,
    }
}
