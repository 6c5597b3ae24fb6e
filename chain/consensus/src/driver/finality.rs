//! What follows a decision: the commit, the fuller certificate, and the wait for the next height.

use allod_primitives::{Certificate, Height};
use arc_malachitebft_app_channel::Reply;
use arc_malachitebft_app_channel::app::engine::host::Next;
use arc_malachitebft_app_channel::app::types::MisbehaviorEvidence;
use arc_malachitebft_app_channel::app::types::core::CommitCertificate;
use tokio::sync::watch;
use tracing::{debug, info, warn};

use crate::application::{BlockLoad, FatalError};
use crate::context::Ctx;
use crate::driver::actor::{Broken, Reached, Running};
use crate::driver::convert;

impl Running {
    /// Commits: after this the block is final.
    pub(super) fn decided(
        &mut self,
        certificate: &CommitCertificate<Ctx>,
    ) -> Result<(), FatalError> {
        let height: Height = certificate.height.into();
        let tip = self.driver.app.tip();
        if height == tip {
            debug!(%height, "decided again what is committed");
            return Ok(());
        }
        if height != tip.next() {
            return Err(FatalError::new(Broken::WrongHeight {
                decided: height,
                tip,
            }));
        }
        let certificate = self.verified(certificate)?;
        let load = self
            .driver
            .app
            .commit(certificate.block_hash, certificate.clone())?;
        self.saw(&certificate);
        let (round, signers) = (certificate.round, certificate.signatures.len());
        info!(%height, round, signers, hash = %certificate.block_hash, "committed a block");
        self.committed = Some((certificate, load));
        Ok(())
    }

    /// Tells the signer how far the chain is.
    fn saw(&self, certificate: &Certificate) {
        if let Some(signer) = &self.driver.signer {
            let app = self.driver.app.as_ref();
            signer
                .seen
                .committed(app, certificate, &signer.public_key());
        }
    }

    fn verified(&self, certificate: &CommitCertificate<Ctx>) -> Result<Certificate, FatalError> {
        let height = certificate.height.into();
        let set = self.set(height)?;
        let certificate = convert::certificate(certificate, &set);
        match certificate.verify(&self.driver.chain, &set) {
            Ok(()) => Ok(certificate),
            Err(source) => Err(FatalError::new(Broken::BadCertificate { height, source })),
        }
    }

    /// Stores a fuller certificate, reports evidence, and starts the next height when it is due.
    pub(super) fn finalized(
        &mut self,
        certificate: &CommitCertificate<Ctx>,
        evidence: &MisbehaviorEvidence<Ctx>,
        reply: Reply<Next<Ctx>>,
    ) -> Result<(), FatalError> {
        let height: Height = certificate.height.into();
        for evidence in convert::evidence(evidence) {
            warn!(?evidence, "a validator signed twice");
            self.driver.app.report_evidence(evidence);
        }
        let (stored, load) = match self.committed.take() {
            Some((stored, load)) if stored.height == height => (stored.signatures.len(), load),
            _ => (usize::MAX, BlockLoad::Useful),
        };
        if certificate.commit_signatures.len() > stored {
            let certificate = self.verified(certificate)?;
            self.saw(&certificate);
            self.driver.app.extend_certificate(certificate)?;
        }
        let next = height.next();
        let start = Next::Start(next.into(), self.params(next)?);
        let wait = self.driver.pacer.after_block(self.started, load);
        if self.synced == height {
            // Peers are ahead: catch up without a pause.
            let _ = reply.send(start);
            return Ok(());
        }
        let work = self.driver.work.clone();
        let begun = reaches(self.reached.subscribe(), move |reached| {
            reached.begun >= next
        });
        let stirred = reaches(self.reached.subscribe(), move |reached| {
            reached.stirred >= next
        });
        while self.delayed.try_join_next().is_some() {}
        self.delayed.spawn(async move {
            wait.until_start(&work, begun, stirred).await;
            let _ = reply.send(start);
        });
        Ok(())
    }
}

/// Resolves once the others are known to be as far as `far` wants them.
async fn reaches(mut reached: watch::Receiver<Reached>, far: impl Fn(&Reached) -> bool) {
    if reached.wait_for(far).await.is_err() {
        // The driver is gone, and the task that waits here with it.
        std::future::pending().await
    }
}
