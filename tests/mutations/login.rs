//! Login answers and tokens, judged by the one access function.

use allod_primitives::document::{RetireReason, Retirement};
use allod_primitives::operation::{Body, Lane};
use allod_primitives::{ChainId, Did, DidId, Height, NetworkId, TimeMs};
use allod_rpc_api::verify::{
    JwsExpectations, LedgerView, LoginExpectations, ReasonCode, Unavailable, verify_jws,
    verify_login,
};
use allod_runtime::{RuntimeCall, did};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::author::{bare, bounded, key, method, sign, sign_operation, sign_token, text};
use crate::bytes;
use crate::ledger::world::{Author, World};
use crate::tally::{Half, Tally, Verdict};

const AUDIENCE: &str = "https://app.example";
const NONCE: &str = "a challenge";

/// The ledger as a verifier sees it, and when the tokens here expire.
struct Verifier(World, u64);

impl LedgerView for Verifier {
    fn storage(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Unavailable> {
        Ok(self.0.state.get(key).cloned())
    }

    fn chain(&self) -> ChainId {
        self.0.chain()
    }

    fn head(&self) -> (Height, TimeMs) {
        (self.0.parent.number, self.0.parent.digest.time)
    }
}

impl Verifier {
    /// Returns a ledger in which `alive[2]` has retired its login key, `alive[3]` has logged out
    /// everywhere, and `alive[0]` has revoked the token `stolen`.
    fn new() -> Self {
        let mut world = World::new();
        let exp = world.now().seconds() + 300;
        let (second, third) = (world.alive[2].clone(), world.alive[3].clone());
        let mut patch = crate::ledger::defects::patch(Default::default());
        patch.retire = bounded([Retirement {
            fragment: text("login"),
            reason: RetireReason::Routine,
        }]);
        patch.add = bounded([method("login2", &key("login2", 0))]);
        let retire = Body::UpdateDocument(patch);
        let logout = Body::SetNotBefore {
            not_before: world.now(),
            bump_grant_epoch: false,
        };
        let submit = |author: &Author, body| {
            let operation = world.operation(author, Lane::Documents, body);
            let operation = sign_operation(operation, &[&author.control[0]]);
            bare(&RuntimeCall::Did(did::Call::submit { operation }))
        };
        let mut token = world.token(&world.alive[0], "stolen");
        token.exp = exp;
        let operation = sign_token(token, &[&world.alive[0].control[0]]);
        let revoke = allod_runtime::revocation::Call::revoke { operation };
        let block = vec![
            submit(&second, retire),
            submit(&third, logout),
            bare(&RuntimeCall::Revocation(revoke)),
        ];
        world.block(block);
        Self(world, exp)
    }

    /// Returns the time of the verifier's clock.
    fn now(&self) -> TimeMs {
        self.0.now()
    }

    fn did(&self, id: DidId) -> Did {
        Did::new(NetworkId::from_genesis(&self.0.genesis_hash), id)
    }

    fn login(&self, jws: &str) -> ReasonCode {
        let expected = LoginExpectations::new(AUDIENCE, NONCE, self.now());
        verify_login(self, jws, &expected).reason
    }

    fn token(&self, jws: &str) -> ReasonCode {
        verify_jws(self, jws, &JwsExpectations::new(AUDIENCE, self.now())).reason
    }
}

/// A login answer in the making.
struct Draft {
    header: Value,
    claims: Value,
    key: SigningKey,
}

impl Draft {
    fn new(verifier: &Verifier, author: &Author) -> Self {
        let did = verifier.did(author.did).to_string();
        let now = verifier.now().seconds();
        Self {
            header: json!({ "alg": "EdDSA", "kid": format!("{did}#login"), "typ": "JWT" }),
            claims: json!({
                "iss": did, "sub": did, "aud": AUDIENCE, "nonce": NONCE,
                "iat": now, "exp": verifier.1, "jti": "a fresh one",
            }),
            key: author.login.clone(),
        }
    }

    fn sign(&self) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(&self.header), part(&self.claims));
        let signature = sign(&self.key, input.as_bytes());
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature.0))
    }
}

/// Judges byte mutants of login answers and of what is inside them.
pub(crate) fn byte_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let verifier = Verifier::new();
    let samples: Vec<Vec<u8>> = [0, 1]
        .map(|n| {
            Draft::new(&verifier, &verifier.0.alive[n])
                .sign()
                .into_bytes()
        })
        .into();
    for sample in &samples {
        let text = String::from_utf8_lossy(sample);
        assert_eq!(verifier.login(&text), ReasonCode::Ok);
        assert_eq!(verifier.token(&text), ReasonCode::Ok);
    }
    let judge = |text: &str| {
        let (login, token) = (verifier.login(text), verifier.token(text));
        assert_ne!(login, ReasonCode::Ok, "{text}");
        assert_ne!(token, ReasonCode::Ok, "{text}");
        Verdict::refused("ReasonCode", &login)
    };
    bytes::run("login", &samples, rounds, rng, tally, |_, mutant| {
        judge(&String::from_utf8_lossy(mutant))
    });
    // The JSON below the base64, signed again by a stranger's key: only the key tells.
    let inner: Vec<Vec<u8>> = vec![
        Draft::new(&verifier, &verifier.0.alive[0])
            .claims
            .to_string()
            .into_bytes(),
    ];
    let stranger = key("stranger", 0);
    let header = Draft::new(&verifier, &verifier.0.alive[0])
        .header
        .to_string();
    bytes::run("login claims", &inner, rounds, rng, tally, |_, mutant| {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let input = format!("{}.{}", part(header.as_bytes()), part(mutant));
        let signature = sign(&stranger, input.as_bytes());
        judge(&format!("{input}.{}", part(&signature.0)))
    });
}

type Defect = (
    &'static str,
    ReasonCode,
    fn(&Verifier, &mut Draft, &mut ChaCha8Rng),
);

const DEFECTS: &[Defect] = &[
    (
        "no algorithm",
        ReasonCode::AlgorithmNotAllowed,
        |_, it, _| it.header["alg"] = json!("none"),
    ),
    (
        "a shared secret",
        ReasonCode::AlgorithmNotAllowed,
        |_, it, _| {
            it.header["alg"] = json!("HS256");
        },
    ),
    (
        "another algorithm's key",
        ReasonCode::KeyTypeMismatch,
        |_, it, _| {
            it.header["alg"] = json!("ES256");
        },
    ),
    (
        "a key of its own",
        ReasonCode::CriticalHeader,
        |_, it, rng| {
            let names = ["crit", "b64", "jwk", "jku", "x5c", "x5u"];
            it.header[names[rng.gen_range(0..6)]] = json!([]);
        },
    ),
    ("no login", ReasonCode::TypeNotAllowed, |_, it, _| {
        it.header["typ"] = json!("at+jwt")
    }),
    ("a relative kid", ReasonCode::KidNotAbsolute, |_, it, _| {
        it.header["kid"] = json!("#login")
    }),
    ("a number as issuer", ReasonCode::Malformed, |_, it, rng| {
        it.claims["iss"] = json!(rng.r#gen::<u32>());
    }),
    (
        "for somebody else",
        ReasonCode::SubjectMismatch,
        |verifier, it, _| {
            it.claims["sub"] = json!(verifier.did(verifier.0.alive[1].did).to_string());
        },
    ),
    (
        "of another network",
        ReasonCode::WrongNetwork,
        |verifier, it, rng| {
            let network = NetworkId(rng.r#gen());
            let did = Did::new(network, verifier.0.alive[0].did).to_string();
            it.header["kid"] = json!(format!("{did}#login"));
            it.claims["iss"] = json!(did);
            it.claims["sub"] = json!(did);
        },
    ),
    ("for ever", ReasonCode::TokenWithoutExp, |_, it, _| {
        it.claims["exp"] = Value::Null
    }),
    (
        "for too long",
        ReasonCode::TokenLifetimeTooLong,
        |_, it, rng| {
            let exp = it.claims["exp"].as_u64().expect("a number");
            it.claims["exp"] = json!(exp + rng.gen_range(900..99_999));
        },
    ),
    ("expired", ReasonCode::TokenExpired, |verifier, it, rng| {
        let now = verifier.now().seconds();
        it.claims["iat"] = json!(now - 500);
        it.claims["exp"] = json!(now - rng.gen_range(61..400));
    }),
    (
        "not yet",
        ReasonCode::TokenNotYetValid,
        |verifier, it, rng| {
            it.claims["nbf"] = json!(verifier.now().seconds() + rng.gen_range(61..290));
        },
    ),
    (
        "another audience",
        ReasonCode::AudienceMismatch,
        |_, it, rng| {
            it.claims["aud"] = json!(format!("https://{}.example", rng.r#gen::<u32>()));
        },
    ),
    ("no audience", ReasonCode::AudienceMismatch, |_, it, _| {
        it.claims["aud"] = json!([])
    }),
    (
        "another challenge",
        ReasonCode::NonceMismatch,
        |_, it, rng| {
            it.claims["nonce"] = json!(format!("{}", rng.r#gen::<u32>()));
        },
    ),
    (
        "an unknown identity",
        ReasonCode::DidNotFound,
        |verifier, it, rng| {
            rename(verifier, it, DidId(rng.r#gen()), "login");
        },
    ),
    (
        "a dead identity",
        ReasonCode::DidDeactivated,
        |verifier, it, _| {
            rename(verifier, it, verifier.0.dead.did, "login");
        },
    ),
    (
        "a key that never was",
        ReasonCode::KeyUnknown,
        |verifier, it, rng| {
            let fragment = format!("k{}", rng.r#gen::<u32>());
            rename(verifier, it, verifier.0.alive[0].did, &fragment);
        },
    ),
    (
        "a retired key",
        ReasonCode::KeyRetired,
        |verifier, it, _| {
            rename(verifier, it, verifier.0.alive[2].did, "login");
            it.key = verifier.0.alive[2].login.clone();
        },
    ),
    (
        "the retired key under the new one's name",
        ReasonCode::SignatureInvalid,
        |verifier, it, _| {
            rename(verifier, it, verifier.0.alive[2].did, "login2");
            it.key = verifier.0.alive[2].login.clone();
        },
    ),
    (
        "the control key",
        ReasonCode::SignatureInvalid,
        |verifier, it, _| {
            it.key = verifier.0.alive[0].control[0].clone();
        },
    ),
    (
        "a stranger's key",
        ReasonCode::SignatureInvalid,
        |_, it, rng| {
            it.key = key("stranger", rng.r#gen());
        },
    ),
    (
        "before everybody was logged out",
        ReasonCode::TokenBeforeCutoff,
        |verifier, it, rng| {
            rename(verifier, it, verifier.0.alive[3].did, "login");
            it.key = verifier.0.alive[3].login.clone();
            it.claims["iat"] = json!(verifier.now().seconds() - rng.gen_range(9..500));
        },
    ),
    ("revoked", ReasonCode::TokenRevoked, |_, it, _| {
        it.claims["jti"] = json!("stolen")
    }),
];

fn rename(verifier: &Verifier, draft: &mut Draft, id: DidId, fragment: &str) {
    let did = verifier.did(id).to_string();
    draft.header["kid"] = json!(format!("{did}#{fragment}"));
    draft.claims["iss"] = json!(did);
    draft.claims["sub"] = json!(did);
}

/// Judges login answers with one thing wrong, signed by the right key as far as it is not that.
pub(crate) fn field_half(rounds: usize, rng: &mut ChaCha8Rng, tally: &mut Tally) {
    let verifier = Verifier::new();
    for round in 0..rounds {
        let (name, expected, defect) = DEFECTS[round % DEFECTS.len()];
        let mut draft = Draft::new(&verifier, &verifier.0.alive[0]);
        defect(&verifier, &mut draft, rng);
        drop_nulls(&mut draft.claims);
        assert_eq!(verifier.login(&draft.sign()), expected, "{name}");
        tally.count(
            "login",
            Half::Fields,
            Verdict::refused("ReasonCode", &expected),
        );
    }
}

fn drop_nulls(claims: &mut Value) {
    if let Value::Object(members) = claims {
        members.retain(|_, value| !value.is_null());
    }
}
