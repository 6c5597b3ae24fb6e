//! Resources: URIs compared by decoded path segments, never as raw text.

/// An absolute URI without query and fragment. One that ends in `/` stands for itself and for
/// what lies below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resource {
    /// Scheme and authority, lower case.
    origin: String,
    /// Percent-decoded segments, without the empty one after a final `/`.
    segments: Vec<Vec<u8>>,
    /// Whether it ends in `/`.
    is_container: bool,
}

impl Resource {
    /// Reads `uri`; `None` if two readers could disagree about what it names: dot segments, empty
    /// segments, encoded slashes, backslashes, doubly encoded dots and slashes, credentials,
    /// query, fragment, anything that is not printable ASCII.
    pub(crate) fn parse(uri: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\\\"<>^`{|}".contains(&byte);
        if uri.len() > crate::limits::URI_CHARS_MAX || !uri.bytes().all(plain) {
            return None;
        }
        let (scheme, rest) = uri.split_once(':')?;
        let mut letters = scheme.bytes();
        let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !letters.next()?.is_ascii_alphabetic() || !letters.all(in_scheme) {
            return None;
        }
        let (authority, path) = match rest.strip_prefix("//") {
            None => ("", rest),
            Some(rest) => match rest.find('/') {
                None => (rest, "/"),
                Some(end) => rest.split_at(end),
            },
        };
        if authority.contains(['@', '%']) || path.is_empty() {
            return None;
        }
        let is_container = path.ends_with('/');
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = match path {
            "" => Vec::new(),
            path => path.split('/').map(segment).collect::<Option<_>>()?,
        };
        Some(Self {
            origin: format!("{scheme}://{authority}").to_ascii_lowercase(),
            segments,
            is_container,
        })
    }

    /// Returns whether what `other` stands for lies within what this one stands for.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if self.origin != other.origin {
            return false;
        }
        if !self.is_container {
            return self == other;
        }
        let is_deeper = other.segments.len() > self.segments.len();
        other.segments.starts_with(&self.segments) && (is_deeper || other.is_container)
    }
}

/// Decodes one segment; `None` if it is empty, a dot segment, or ambiguous once decoded.
fn segment(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    let is_dots = matches!(out.as_slice(), b"" | b"." | b"..");
    let is_split = out.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0));
    let lower = out.to_ascii_lowercase();
    let is_encoded_twice = [b"%2e", b"%2f", b"%5c"]
        .iter()
        .any(|code| lower.windows(3).any(|window| window == *code));
    (!is_dots && !is_split && !is_encoded_twice).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(granted: &str, asked: &str) -> bool {
        let granted = Resource::parse(granted).unwrap();
        granted.covers(&Resource::parse(asked).unwrap())
    }

    #[test]
    fn a_container_covers_itself_and_what_is_below() {
        assert!(covers("https://a.b/photos/", "https://a.b/photos/"));
        assert!(covers("https://a.b/photos/", "https://a.b/photos/x/y.jpg"));
        assert!(covers("https://a.b/", "https://A.B"));
        assert!(covers("https://a.b/ph%6ftos/", "https://a.b/photos/x"));
        assert!(covers("urn:pc:store/", "urn:pc:store/x"));
    }

    #[test]
    fn a_neighbour_with_the_same_beginning_is_not_covered() {
        assert!(!covers(
            "https://a.b/photos/",
            "https://a.b/photos-private/x"
        ));
        assert!(!covers("https://a.b/photos/", "https://a.b/photos"));
        assert!(!covers("https://a.b/photos", "https://a.b/photos-private"));
        assert!(!covers("https://a.b/photos", "https://a.b/photos/x"));
        assert!(!covers("https://a.b/photos", "https://a.b/photos/"));
        assert!(!covers("https://a.b/", "https://a.bc/x"));
        assert!(!covers("https://a.b/", "http://a.b/x"));
        assert!(!covers("https://a.b/", "https://a.b:444/x"));
        assert!(!covers("https://a.b/x/", "https://a.b/"));
    }

    #[test]
    fn ambiguous_uris_are_refused() {
        let ambiguous = [
            "https://a.b/x/../y",
            "https://a.b/x/%2e%2E/y",
            "https://a.b/x/.%2e",
            "https://a.b/./x",
            "https://a.b//x",
            "https://a.b/x//",
            "https://a.b/x%2fy",
            "https://a.b/x%5cy",
            "https://a.b/x\\y",
            "https://a.b/%252e%252e/y",
            "https://a.b/x%00",
            "https://a.b/x%",
            "https://a.b/x%g0",
            "https://a.b/x?y",
            "https://a.b/x#y",
            "https://u@a.b/x",
            "https://a.b/x y",
            "/x",
            "1https://a.b/x",
            "urn:",
            "",
        ];
        for uri in ambiguous {
            assert_eq!(Resource::parse(uri), None, "{uri}");
        }
    }
}
