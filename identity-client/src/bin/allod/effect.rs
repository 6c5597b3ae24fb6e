//! What a write has done: by the ledger's proven state, not by the word of the node that took it.

use allod_identity_client::anchors::Anchor;
use allod_primitives::{Did, H256, Height};
use allod_rpc_api::ErrorCode;
use allod_rpc_api::grant::{GrantCheckRequest, GrantState};
use allod_rpc_api::revocation::RevocationCheckRequest;
use allod_rpc_api::submit::SubmitStatus;
use serde_json::{Value, json};

use crate::console::Report;
use crate::failure::Failure;
use crate::session::{Network, Receipt, Session};

/// What must be on the ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Revoked {
    /// The token with this tag.
    Token(H256),
    /// The grant of this identifier.
    Grant(H256),
}

impl Session {
    /// Reports a revocation by `did` once it is proven, as far as that is asked for.
    ///
    /// `already`: whether an error of the node says that it was made before.
    pub(crate) async fn revoked(
        &self,
        network: &Network,
        did: &Did,
        what: Revoked,
        sent: Result<Receipt, Failure>,
        already: impl Fn(&Failure) -> bool,
        fields: Value,
    ) -> Result<Report, Failure> {
        let id = what.id().to_string();
        let (said, text, mut fields) = match sent {
            Ok(receipt) => {
                let text = format!("the revocation {}", receipt.text());
                let fields = receipt.json(fields);
                if receipt.outcome.status != SubmitStatus::Finalized {
                    return Ok(Report::new(id, fields).note(text));
                }
                (receipt.outcome.height, text, fields)
            }
            Err(failure) if already(&failure) => {
                let mut fields = fields;
                fields["final"] = json!(true);
                fields["alreadyRevoked"] = json!(true);
                (None, "it was revoked already".to_owned(), fields)
            }
            Err(failure) => return Err(failure),
        };
        let proven = self.prove(network, did, what, said).await;
        let proven = proven.inspect_err(|_| {
            let told = format!("the node says: {text}; that is not proven");
            self.console.note(&told);
        })?;
        fields["provenAt"] = json!(proven.map(|it| it.0));
        let note = match proven {
            Some(height) => format!("{text}, proven as of height {height}"),
            None => text,
        };
        Ok(Report::new(id, fields).note(note))
    }

    /// Proves it as of the height that a node says or a later one; `None` if the node is believed.
    async fn prove(
        &self,
        network: &Network,
        did: &Did,
        what: Revoked,
        said: Option<u64>,
    ) -> Result<Option<Height>, Failure> {
        if self.reads.trust_node {
            return Ok(None);
        }
        let light = self.light(Some(did.network())).await?;
        if light.chain() != network.chain {
            let message = "the node is of another network or fork than the one that is followed";
            return Err(not_revoked(what, message));
        }
        let at_least = said.map(Height);
        let (is_revoked, height) = match what {
            Revoked::Token(tag) => {
                let request = RevocationCheckRequest {
                    tag: Some(tag.into()),
                    ..RevocationCheckRequest::default()
                };
                let asked = Box::pin(light.revocation_check(&request, at_least));
                let found = self.console.during("proving it", asked).await?;
                (found.answer.revoked, found.height)
            }
            Revoked::Grant(gid) => {
                let request = GrantCheckRequest {
                    gid: Some(gid.into()),
                    grant: None,
                };
                let asked = Box::pin(light.grant_check(&request, at_least));
                let found = self.console.during("proving it", asked).await?;
                (found.answer.status == GrantState::Revoked, found.height)
            }
        };
        if is_revoked {
            return Ok(Some(height));
        }
        let message = format!("it is not revoked as of height {height}, whatever the node says");
        Err(not_revoked(what, message))
    }
}

impl Session {
    /// Reports an anchor once the ledger has it, with its key and its day: whoever carries it there
    /// sees its identifier first, and could anchor that as something else.
    pub(crate) async fn anchored(
        &self,
        network: &Network,
        anchor: &Anchor,
        sent: Result<Receipt, Failure>,
        fields: Value,
    ) -> Result<Report, Failure> {
        let gid = anchor.gid.to_string();
        let said = sent.as_ref().ok().and_then(|it| it.outcome.height);
        let (text, mut fields) = match sent.and_then(Receipt::check_items) {
            Ok(receipt) => {
                let text = format!("the anchor {}", receipt.text());
                let fields = receipt.json(fields);
                if receipt.outcome.status != SubmitStatus::Finalized {
                    return Ok(Report::new(gid, fields).note(text));
                }
                (text, fields)
            }
            Err(failure) if failure.code == Some(ErrorCode::GrantAlreadyExists.code()) => {
                let mut fields = fields;
                fields["final"] = json!(true);
                fields["alreadyAnchored"] = json!(true);
                ("it was anchored already".to_owned(), fields)
            }
            Err(failure) => return Err(failure),
        };
        let proven = self.find_anchor(network, anchor, said).await?;
        fields["provenAt"] = json!(proven.map(|it| it.0));
        let note = match proven {
            Some(height) => format!("{text}, proven as of height {height}"),
            None => text,
        };
        Ok(Report::new(gid, fields).note(note))
    }

    /// Finds the anchor on the ledger; `None` if the node is believed.
    async fn find_anchor(
        &self,
        network: &Network,
        anchor: &Anchor,
        said: Option<u64>,
    ) -> Result<Option<Height>, Failure> {
        let request = GrantCheckRequest {
            gid: Some(anchor.gid.into()),
            grant: None,
        };
        let (found, proven) = if self.reads.trust_node {
            (self.client.grant_check(&request).await?, None)
        } else {
            let light = self.light(None).await?;
            if light.chain() != network.chain {
                let message =
                    "the node is of another network or fork than the one that is followed";
                return Err(not_anchored(message));
            }
            let asked = Box::pin(light.grant_check(&request, said.map(Height)));
            let found = self.console.during("proving it", asked).await?;
            (found.answer, Some(found.height))
        };
        let evidence = anchor.evidence();
        match (found.grant_key, found.expiry_day) {
            (Some(key), Some(day)) if key == evidence.grant_key && day == evidence.expiry_day => {
                Ok(proven)
            }
            (None, _) | (_, None) => {
                let height = found.height;
                let message = format!("it is not there as of height {height}, whatever was said");
                Err(not_anchored(message))
            }
            _ => Err(Failure::negative(
                "token.anchor_taken",
                "somebody has anchored its identifier with another key or day: it shows nothing",
                "make another anchor (--out FILE), and have another registrar anchor it",
            )),
        }
    }
}

fn not_anchored(message: impl Into<String>) -> Failure {
    let hint = "run the command again with the same file, and other nodes (--node): to anchor twice \
                does no harm";
    Failure::negative("token.not_anchored", message, hint)
}

impl Revoked {
    const fn id(self) -> H256 {
        match self {
            Self::Token(id) | Self::Grant(id) => id,
        }
    }
}

fn not_revoked(what: Revoked, message: impl Into<String>) -> Failure {
    let slug = match what {
        Revoked::Token(_) => "token.not_revoked",
        Revoked::Grant(_) => "grant.not_revoked",
    };
    let hint = "run the command again with other nodes (--node): to revoke twice does no harm";
    Failure::negative(slug, message, hint)
}
