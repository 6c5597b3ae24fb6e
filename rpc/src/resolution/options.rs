//! Options of resolution and dereferencing, and parameters of DID URLs: one set of names.
//!
//! A name may be given in the DID URL's query, in the request's query or in the body, but once:
//! what is given twice would mean one thing to a proxy and another one here.
//!
//! Source: DID Resolution v1.0, DID Parameters, Options, Caching; spec/did-resolution.md §4.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::problem::{Problem, ProblemKind};

/// Characters of a moment: `2020-12-20T19:17:47Z`.
const MOMENT_CHARS: usize = 20;

/// Which version of a document is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// The newest.
    Newest,
    /// The one of this `versionId`.
    Id(String),
    /// The one in force at this time, seconds since 1970.
    Time(u64),
}

/// Everything that can be asked for besides the identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) version: Version,
    /// Keys as `JsonWebKey` instead of `Multikey`.
    pub(super) json_web_keys: bool,
    /// With the state proof.
    pub(super) proof: bool,
    pub(super) service: Option<String>,
    pub(super) service_type: Option<String>,
    pub(super) relative_ref: Option<String>,
    pub(super) verification_relationship: Option<String>,
}

impl Options {
    /// Returns whether the options select services.
    pub(super) fn selects_services(&self) -> bool {
        self.service.is_some() || self.service_type.is_some()
    }

    /// Returns whether something is asked for that only dereferencing knows.
    pub(super) fn is_of_dereferencing(&self) -> bool {
        self.selects_services()
            || self.relative_ref.is_some()
            || self.verification_relationship.is_some()
    }

    /// Reads names and values.
    ///
    /// # Errors
    /// A [`Problem`] names the first that is given twice, unknown, or means nothing.
    pub(super) fn read(given: &[(String, String)]) -> Result<Self, Problem> {
        let mut options = Self {
            version: Version::Newest,
            json_web_keys: false,
            proof: false,
            service: None,
            service_type: None,
            relative_ref: None,
            verification_relationship: None,
        };
        for (position, (name, value)) in given.iter().enumerate() {
            if given[..position].iter().any(|(earlier, _)| earlier == name) {
                let detail = format!("`{name}` is given twice");
                return Err(ProblemKind::InvalidDidUrl.because(detail));
            }
            options.set(name, value)?;
        }
        if options.relative_ref.is_some() && !options.selects_services() {
            let detail = "`relativeRef` needs `service` or `serviceType`";
            return Err(ProblemKind::InvalidDidUrl.because(detail));
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "versionId" => self.set_version(Version::Id(text(name, value)?)),
            "versionTime" => self.set_version(Version::Time(moment(value)?)),
            "service" => {
                self.service = Some(text(name, value)?);
                Ok(())
            }
            "serviceType" => {
                self.service_type = Some(text(name, value)?);
                Ok(())
            }
            "relativeRef" => {
                self.relative_ref = Some(value.to_owned());
                Ok(())
            }
            "verificationRelationship" => {
                self.verification_relationship = Some(text(name, value)?);
                Ok(())
            }
            "proof" => {
                self.proof = flag(name, value)?;
                Ok(())
            }
            // Every id in our documents is absolute, and there is no cache to go around.
            "expandRelativeUrls" | "noCache" => flag(name, value).map(|_| ()),
            "transformKey" => {
                self.json_web_keys = match value {
                    "JsonWebKey" => true,
                    "Multikey" => false,
                    _ => {
                        let detail = "`transformKey` is JsonWebKey or Multikey";
                        return Err(ProblemKind::FeatureNotSupported.because(detail));
                    }
                };
                Ok(())
            }
            _ => {
                let shown: String = name.chars().take(64).collect();
                let detail = format!("the option or parameter `{shown}` is not supported");
                Err(ProblemKind::FeatureNotSupported.because(detail))
            }
        }
    }

    fn set_version(&mut self, version: Version) -> Result<(), Problem> {
        if self.version != Version::Newest {
            let detail = "`versionId` and `versionTime` exclude each other";
            return Err(ProblemKind::InvalidOptions.because(detail));
        }
        self.version = version;
        Ok(())
    }
}

fn text(name: &str, value: &str) -> Result<String, Problem> {
    if value.is_empty() {
        return Err(ProblemKind::InvalidOptions.because(format!("`{name}` is empty")));
    }
    Ok(value.to_owned())
}

fn flag(name: &str, value: &str) -> Result<bool, Problem> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ProblemKind::InvalidOptions.because(format!("`{name}` is true or false"))),
    }
}

/// Reads `2020-12-20T19:17:47Z`: UTC, whole seconds, not before 1970.
fn moment(value: &str) -> Result<u64, Problem> {
    let is_form = value.len() == MOMENT_CHARS
        && value.is_ascii()
        && value.ends_with('Z')
        && value[10..].starts_with('T');
    let read = OffsetDateTime::parse(value, &Rfc3339).ok();
    let read = read.filter(|_| is_form);
    let seconds = read.and_then(|it| u64::try_from(it.unix_timestamp()).ok());
    seconds.ok_or_else(|| {
        let detail = "`versionTime` is a UTC time of whole seconds, as 2020-12-20T19:17:47Z";
        ProblemKind::InvalidOptions.because(detail)
    })
}

/// Reads the body of a POST: one JSON object of texts, truths and nothing else. Empty is none.
///
/// # Errors
/// A [`Problem`] if it is anything else.
pub(super) fn from_body(body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let members = reader.deserialize_map(Members);
    let members = members.and_then(|members| reader.end().map(|()| members));
    let members = members.map_err(|_| {
        let detail = "the body is not one JSON object of options";
        ProblemKind::InvalidOptions.because(detail)
    })?;
    let read = |(name, value): (String, Value)| match value {
        Value::String(value) => Ok((name, value)),
        Value::Bool(value) => Ok((name, value.to_string())),
        _ => {
            let shown: String = name.chars().take(64).collect();
            let detail = format!("`{shown}` is neither text nor true or false");
            Err(ProblemKind::InvalidOptions.because(detail))
        }
    };
    members.into_iter().map(read).collect()
}

/// Reads an object's members in their order, repeated ones too: a map would keep one of them.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of options")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
