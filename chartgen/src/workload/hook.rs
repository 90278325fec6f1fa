//! Objects of a release that are there only while something runs before it.

use chartgen::Document;
use chartgen::tree::entry;

/// Before an installation and before each upgrade, lower weights first. What an earlier run left is
/// replaced, and when all has succeeded nothing of it stays.
pub(crate) fn before_release(document: Document, weight: i8) -> Document {
    document.add_entries(
        "/metadata/annotations",
        [
            entry("helm.sh/hook", "pre-install,pre-upgrade"),
            entry("helm.sh/hook-weight", weight.to_string()),
            entry(
                "helm.sh/hook-delete-policy",
                "before-hook-creation,hook-succeeded",
            ),
        ],
    )
}
