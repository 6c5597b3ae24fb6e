//! What this node has seen of the chain: the driver writes, the signer reads.

use std::sync::{Arc, Mutex};

use allod_primitives::{Certificate, Height, PublicKey};

use crate::application::Application;
use crate::limits::SIGNED_LOOKED_FOR;
use crate::signer::Seen;

/// [`Seen`], shared between driver and signer.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedSeen(Arc<Mutex<Seen>>);

impl SharedSeen {
    /// Returns what `app` has committed; looks for the newest signature of `key` in the
    /// certificates of the last few blocks.
    pub(crate) fn of(app: &dyn Application, key: &PublicKey) -> Self {
        let tip = app.tip();
        let heights = (1..=tip.0)
            .rev()
            .take(usize::try_from(SIGNED_LOOKED_FOR).unwrap_or(1));
        let mut certificates = heights.filter_map(|height| Some(app.decided(Height(height))?.1));
        let signed = certificates.find(|certificate| holds(app, certificate, key));
        Self(Arc::new(Mutex::new(Seen {
            tip,
            tip_time: app.tip_time(),
            signed: signed.map_or(Height(0), |certificate| certificate.height),
        })))
    }

    pub(crate) fn get(&self) -> Seen {
        *self.0.lock().expect("no code panics holding this lock")
    }

    /// Notes the certificate of the tip, which may have been noted before.
    pub(crate) fn committed(
        &self,
        app: &dyn Application,
        certificate: &Certificate,
        key: &PublicKey,
    ) {
        let tip_time = app.tip_time();
        let has_signed = holds(app, certificate, key);
        let mut seen = self.0.lock().expect("no code panics holding this lock");
        seen.tip = seen.tip.max(certificate.height);
        seen.tip_time = tip_time;
        if has_signed {
            seen.signed = seen.signed.max(certificate.height);
        }
    }
}

/// Returns whether a certificate holds a signature of `key`.
fn holds(app: &dyn Application, certificate: &Certificate, key: &PublicKey) -> bool {
    let set = app.validator_set(certificate.height);
    let position = set.and_then(|set| set.position(key));
    position.is_some_and(|position| {
        let mut signatures = certificate.signatures.iter();
        signatures.any(|signature| usize::from(signature.signer) == position)
    })
}
