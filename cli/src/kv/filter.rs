//! From the beginning of a key to the subject filter that the server applies, so that a look at
//! one device never fetches the whole fleet's values.

use fleet_contracts::kv::Bucket;

/// Not the beginning of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} is not {wanted}: keys are names joined by dots, such as pi-7, pi-7.shop.web or \
     pi-7._manifest"
)]
pub struct InvalidPrefix {
    given: String,
    wanted: &'static str,
}

/// The filter for keys that begin with these names; `*` stands for any one of them.
pub(super) fn of(bucket: Bucket, prefix: Option<&str>) -> Result<String, InvalidPrefix> {
    let Some(given) = prefix else {
        return Ok(">".to_owned());
    };
    let tokens: Vec<_> = given
        .trim_end_matches(".>")
        .trim_end_matches('.')
        .split('.')
        .collect();
    if tokens == [">"] {
        return Ok(">".to_owned());
    }
    if !tokens.iter().all(|token| *token == "*" || is_token(token)) {
        return Err(InvalidPrefix {
            given: given.to_owned(),
            wanted: "the beginning of a key",
        });
    }
    let whole = match bucket {
        Bucket::DeviceInfo | Bucket::DeviceHeartbeat => true,
        Bucket::DesiredState | Bucket::DeviceState => {
            tokens.len() >= 3 || matches!(tokens[..], [_, "_manifest"])
        }
    };
    Ok(tokens.join(".") + if whole { "" } else { ".>" })
}

/// A key is asked for as it is: it may be foreign, but it cannot hold wildcards.
pub(super) fn check_key(key: &str) -> Result<(), InvalidPrefix> {
    if key.split('.').all(is_token) {
        Ok(())
    } else {
        Err(InvalidPrefix {
            given: key.to_owned(),
            wanted: "a key",
        })
    }
}

/// What a KV key may hold between its dots (ADR-8 of NATS).
fn is_token(token: &str) -> bool {
    !token.is_empty()
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_/=".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Bucket::DesiredState, None, Some(">"))]
    #[case(Bucket::DesiredState, Some("pi-7"), Some("pi-7.>"))]
    #[case(Bucket::DesiredState, Some("pi-7."), Some("pi-7.>"))]
    #[case(Bucket::DesiredState, Some("pi-7.>"), Some("pi-7.>"))]
    #[case(Bucket::DesiredState, Some("pi-7.shop"), Some("pi-7.shop.>"))]
    #[case(Bucket::DesiredState, Some("pi-7.shop.web"), Some("pi-7.shop.web"))]
    #[case(Bucket::DesiredState, Some("*._manifest"), Some("*._manifest"))]
    #[case(Bucket::DeviceState, Some("*.shop.web"), Some("*.shop.web"))]
    #[case(Bucket::DeviceInfo, Some("pi-7"), Some("pi-7"))]
    #[case(Bucket::DeviceInfo, Some(">"), Some(">"))]
    #[case(Bucket::DeviceInfo, Some(""), None)]
    #[case(Bucket::DeviceInfo, Some("a b"), None)]
    #[case(Bucket::DeviceInfo, Some("a.>.b"), None)]
    #[case(Bucket::DeviceInfo, Some("pi*"), None)]
    fn filters(
        #[case] bucket: Bucket,
        #[case] prefix: Option<&str>,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(of(bucket, prefix).ok().as_deref(), expected);
    }

    #[test]
    fn a_key_holds_no_wildcard() {
        assert!(check_key("pi-7._manifest").is_ok());
        assert!(check_key("pi-7.>").is_err());
        assert!(check_key("*").is_err());
    }
}
