use std::collections::HashMap;

use allod_identity_client::clock::Clock;
use allod_identity_client::jwt::Challenge;
use allod_identity_client::light::VerifiedView;
use allod_rpc_api::login::VerifyLoginRequest;

const AUDIENCE: &str = "https://app.example"; // who you are; never taken from a request
const OPEN_MAX: usize = 100_000;

/// Logins at a web service: `view` follows the ledger, `open` holds challenges by their nonce.
pub struct Logins {
    pub view: VerifiedView,
    pub clock: Clock,
    pub open: HashMap<String, u64>,
}

impl Logins {
    pub fn challenge(&mut self) -> anyhow::Result<Challenge> {
        let now = self.clock.now().seconds();
        self.open.retain(|_, expires| *expires > now);
        anyhow::ensure!(self.open.len() < OPEN_MAX, "too many challenges are open");
        let challenge = Challenge::new(AUDIENCE, now, 120)?;
        self.open.insert(challenge.nonce.clone(), challenge.expires);
        Ok(challenge)
    }

    /// Returns the DID that has logged in. `nonce`: of this browser's session.
    pub async fn login(&mut self, jws: String, nonce: String) -> anyhow::Result<String> {
        let expires = self.open.remove(&nonce).unwrap_or(0); // once, whatever comes of it
        anyhow::ensure!(expires > self.clock.now().seconds(), "challenge_unknown");
        let audience = AUDIENCE.to_owned();
        let (time, max_staleness_ms) = (None, None); // the view's
        let request = VerifyLoginRequest {
            jws,
            audience,
            nonce,
            time,
            max_staleness_ms,
        };
        let decision = self.view.verify_login_fetching(&request).await?.answer;
        anyhow::ensure!(decision.is_allowed(), "{}", decision.reason);
        decision.did.ok_or_else(|| anyhow::anyhow!("no DID"))
    }
}
