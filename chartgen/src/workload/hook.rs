//! Objects of a release that are there only while something runs before it, or tries it.

use chartgen::Document;
use chartgen::tree::entry;

/// Before an installation and before each upgrade, lower weights first. What an earlier run left is
/// replaced, and when all has succeeded nothing of it stays.
pub(crate) fn before_release(document: Document, weight: i8) -> Document {
    during(document, "pre-install,pre-upgrade", weight)
}

/// For `helm test`, in the same way. What does not succeed stays until the next time, to be looked at.
pub(crate) fn test(document: Document, weight: i8) -> Document {
    during(document, "test", weight)
}

fn during(document: Document, events: &str, weight: i8) -> Document {
    document.add_entries(
        "/metadata/annotations",
        [
            entry("helm.sh/hook", events),
            entry("helm.sh/hook-weight", weight.to_string()),
            entry(
                "helm.sh/hook-delete-policy",
                "before-hook-creation,hook-succeeded",
            ),
        ],
    )
}
