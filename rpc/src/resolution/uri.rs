//! A relative reference at a service's endpoint, by RFC 3986 §5, that cannot leave its folder.

use super::did_url::is_uri_text;

/// How often a reference is decoded to find what it hides; more layers are refused.
const LAYERS_MAX: usize = 8;

/// Why a reference cannot be used at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReferenceError {
    /// The endpoint has no hierarchy: it is no `scheme://…`.
    #[error("the service's endpoint is no URL with a path, so nothing is relative to it")]
    NotHierarchical,
    /// The reference holds what a relative reference may not.
    #[error("relativeRef is not a relative reference")]
    Malformed,
    /// It would leave the endpoint's folder.
    #[error("relativeRef leaves the path of the service's endpoint")]
    Escapes,
}

/// A URI of the form `scheme://authority/path?query#fragment`, in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts<'a> {
    /// With `://`.
    origin: &'a str,
    path: &'a str,
    /// With its `?`.
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(uri: &'a str) -> Option<Self> {
        let (scheme, rest) = uri.split_once("://")?;
        if scheme.is_empty() || scheme.contains(['/', '?', '#', ':']) {
            return None;
        }
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (origin, rest) = uri.split_at(scheme.len() + 3 + end);
        let rest = &rest[..rest.find('#').unwrap_or(rest.len())];
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        Some(Self {
            origin,
            path,
            query,
        })
    }
}

/// Resolves `reference` at `endpoint`.
///
/// The result has the endpoint's scheme and authority, and its path begins with the folder of the
/// endpoint's path (up to its last `/`). No layer of encoding may hide a `..` or a backslash.
///
/// # Errors
/// [`ReferenceError`].
///
/// Source: RFC 3986 §5.2 and §5.3; DID Resolution v1.0, Path Traversal via `relativeRef`.
pub(super) fn resolve(endpoint: &str, reference: &str) -> Result<String, ReferenceError> {
    let base = Parts::of(endpoint).ok_or(ReferenceError::NotHierarchical)?;
    if !is_uri_text(reference) {
        return Err(ReferenceError::Malformed);
    }
    let head = reference.split(['/', '?', '#']).next().unwrap_or_default();
    if head.contains(':') || reference.starts_with("//") {
        return Err(ReferenceError::Malformed);
    }
    let (rest, fragment) = reference.split_at(reference.find('#').unwrap_or(reference.len()));
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    if hides_traversal(path)? {
        return Err(ReferenceError::Escapes);
    }
    let folder = &base.path[..base.path.rfind('/').map_or(0, |at| at + 1)];
    let folder = if folder.is_empty() { "/" } else { folder };
    let merged = match path {
        "" if base.path.is_empty() => "/".to_owned(),
        "" => base.path.to_owned(),
        _ if path.starts_with('/') => path.to_owned(),
        _ => format!("{folder}{path}"),
    };
    let query = match (path, query) {
        ("", "") => base.query,
        _ => query,
    };
    let merged = without_dots(&merged);
    if !merged.starts_with(&without_dots(folder)) {
        return Err(ReferenceError::Escapes);
    }
    Ok(format!("{}{merged}{query}{fragment}", base.origin))
}

/// Returns whether a layer of the path's encoding holds a segment `..`, with path parameters or
/// without, or a backslash.
fn hides_traversal(path: &str) -> Result<bool, ReferenceError> {
    let mut layer = path.as_bytes().to_vec();
    for _ in 0..LAYERS_MAX {
        let mut segments = layer.split(|byte| *byte == b'/');
        let is_up = |it: &[u8]| it == b".." || it.starts_with(b"..;");
        if layer.contains(&b'\\') || segments.any(is_up) {
            return Ok(true);
        }
        let next = peeled(&layer);
        if next == layer {
            return Ok(false);
        }
        layer = next;
    }
    Err(ReferenceError::Malformed)
}

/// Decodes what is percent-encoded and leaves the rest, as the most tolerant of servers would.
fn peeled(layer: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(layer.len());
    let mut rest = layer;
    while let Some((first, tail)) = rest.split_first() {
        let octet = match tail {
            [high, low, ..] if *first == b'%' => hex_octet(*high, *low),
            _ => None,
        };
        out.push(octet.unwrap_or(*first));
        rest = match octet {
            Some(_) => &tail[2..],
            None => tail,
        };
    }
    out
}

fn hex_octet(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Removes dot segments, RFC 3986 §5.2.4, of a path that begins with `/`.
fn without_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." if is_last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if is_last {
                    out.push("");
                }
            }
            _ => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}
