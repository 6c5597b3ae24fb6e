//! Which representation a client wants: its `Accept` header.

use allod_rpc_api::document::DID_MEDIA_TYPE;
use http::{HeaderMap, header};

/// The media type of a resolution result.
pub(super) const RESOLUTION: &str = "application/did-resolution";
/// The media type of a dereferencing result.
pub(super) const DEREFERENCING: &str = "application/did-url-dereferencing";
/// The media type of service endpoints.
pub(super) const URI_LIST: &str = "text/uri-list";
/// The media type of both results before they had one of their own, with a profile.
const LD_JSON: &str = "application/ld+json";
const OLD_RESOLUTION_PROFILE: &str = "https://w3id.org/did-resolution";
const OLD_DEREFERENCING_PROFILE: &str = "https://w3id.org/did-url-dereferencing";
/// Media ranges of one header that are looked at.
const RANGES_MAX: usize = 32;

/// A form of answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The whole result of resolution.
    Resolution,
    /// The whole result of dereferencing.
    Dereferencing,
    /// As [`Self::Resolution`] or [`Self::Dereferencing`], by what is asked; the resolvers of DID
    /// Core 1.0 wrote errors as one word.
    Old(Old),
    /// A whole result, of whichever function the identifier calls for.
    Any,
    /// The document, or what the DID URL names, alone, under this media type.
    Bare(&'static str),
    /// Where service endpoints are.
    UriList,
}

/// Which of the two old results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Old {
    Resolution,
    Dereferencing,
}

/// Returns the forms that the header accepts, the one wanted most first; empty if there is none.
pub(super) fn forms(headers: &HeaderMap) -> Vec<Form> {
    let values = headers.get_all(header::ACCEPT);
    let mut lines = values.iter().peekable();
    if lines.peek().is_none() {
        return vec![Form::Any];
    }
    let texts = lines.filter_map(|it| it.to_str().ok());
    let mut ranges: Vec<(u16, bool, Form)> = texts
        .flat_map(|text| text.split(','))
        .take(RANGES_MAX)
        .filter_map(range)
        .collect();
    // Stable: of the same weight, the first; what is named before what is only let in.
    ranges.sort_by_key(|(weight, is_wild, _)| (std::cmp::Reverse(*weight), *is_wild));
    ranges.into_iter().map(|(_, _, form)| form).collect()
}

/// Reads one media range: its weight in thousandths, whether it has a wildcard, its form.
fn range(text: &str) -> Option<(u16, bool, Form)> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next()?.to_ascii_lowercase();
    let mut weight = 1000;
    let mut profile = None;
    for part in parts {
        match part.split_once('=') {
            Some(("q" | "Q", value)) => weight = thousandths(value)?,
            Some((name, value)) if name.eq_ignore_ascii_case("profile") => {
                profile = Some(value.trim_matches('"'));
            }
            _ => {}
        }
    }
    if weight == 0 {
        return None;
    }
    let form = match (media_type.as_str(), profile) {
        (RESOLUTION, _) => Form::Resolution,
        (DEREFERENCING, _) => Form::Dereferencing,
        (LD_JSON, Some(OLD_RESOLUTION_PROFILE)) => Form::Old(Old::Resolution),
        (LD_JSON, Some(OLD_DEREFERENCING_PROFILE)) => Form::Old(Old::Dereferencing),
        (DID_MEDIA_TYPE, _) => Form::Bare(DID_MEDIA_TYPE),
        ("application/did+json", _) => Form::Bare("application/did+json"),
        ("application/did+ld+json", _) => Form::Bare("application/did+ld+json"),
        // The second is what the Universal Resolver's driver guide says it sends.
        (LD_JSON | "application/json+ld", _) => Form::Bare(LD_JSON),
        ("application/json", _) => Form::Bare("application/json"),
        (URI_LIST, _) => Form::UriList,
        ("*/*" | "application/*", _) => Form::Any,
        _ => return None,
    };
    Some((weight, form == Form::Any, form))
}

/// Reads a weight of RFC 9110 §12.4.2: 0 to 1 with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let decimals: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(decimals),
        "1" if decimals == 0 => Some(1000),
        _ => None,
    }
}
