use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    pub open: Mutex<HashMap<String, u64>>,
}

impl Logins {
    fn open(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn challenge(&self) -> anyhow::Result<Challenge> {
        let now = self.clock.now().seconds();
        let mut open = self.open();
        open.retain(|_, expires| *expires > now);
        anyhow::ensure!(open.len() < OPEN_MAX, "too many challenges are open");
        let challenge = Challenge::new(AUDIENCE, now, 120)?;
        open.insert(challenge.nonce.clone(), challenge.expires);
        Ok(challenge)
    }

    /// Returns the DID that has logged in. `nonce`: of this browser's session.
    pub async fn login(&self, jws: String, nonce: String) -> anyhow::Result<String> {
        let expires = self.open().remove(&nonce).unwrap_or(0); // once, whatever comes of it
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
