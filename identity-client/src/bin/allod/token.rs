//! `allod token …`

use allod_identity_client::jwt::{TokenRequest, Unverified, issue_token};
use allod_identity_client::keys::{Identity, SecretKey};
use allod_identity_client::operation::{Signer, sign_token_operation, token_operation};
use allod_primitives::TimeMs;
use allod_primitives::policy::{Capabilities, ControlPolicy, Rank};
use allod_primitives::token::TokenId;
use allod_rpc_api::ErrorCode;
use allod_rpc_api::document::date_time;
use allod_rpc_api::login::{Relationship, VerifyJwsRequest};
use allod_rpc_api::submit::SubmitItem;
use allod_rpc_api::verify::Decision;
use serde_json::{Map, Value, json};

use crate::args::{Purpose, TokenCommand, Write};
use crate::console::Report;
use crate::failure::Failure;
use crate::session::Session;

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
        } => check(session, &token, audience, purpose).await,
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
    let tag = operation.tag().to_string();
    let resolved = session.resolve(&identity.did, None).await?;
    let signed = sign_token_operation(operation, &signers(&identity, &resolved.record.policy))?;
    let sent = session.submit(SubmitItem::token(&signed), write).await;
    let already = Some(ErrorCode::TokenAlreadyRevoked.code());
    match sent {
        Ok(receipt) => {
            let note = format!("the revocation {}", receipt.text());
            let fields = receipt.json(json!({ "tag": tag, "exp": exp }));
            Ok(Report::new(tag, fields).note(note))
        }
        Err(failure) if failure.code == already => {
            let fields = json!({ "tag": tag, "exp": exp, "final": true, "alreadyRevoked": true });
            Ok(Report::new(tag, fields).note("it was revoked already"))
        }
        Err(failure) => Err(failure),
    }
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

async fn check(
    session: &Session,
    token: &str,
    audience: Option<String>,
    purpose: Purpose,
) -> Result<Report, Failure> {
    let jws = session.token(token)?;
    let audience = match audience {
        Some(audience) => audience,
        None => own_audience(&Unverified::parse(&jws)?)?,
    };
    let request = VerifyJwsRequest {
        jws,
        audience,
        nonce: None,
        relationship: Some(relationship(purpose)),
        max_age_s: None,
        time: None,
        max_staleness_ms: None,
    };
    let asked = session.verify_jws(&request);
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
