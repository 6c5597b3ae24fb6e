//! What a write has done: by the ledger's proven state, not by the word of the node that took it.

use allod_primitives::{Did, H256, Height};
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
