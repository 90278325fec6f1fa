//! The list of images.

use super::upstream;
use super::values::Values;

/// Every image that the chart runs by its defaults or with one of its profiles, one a line and sorted.
/// Those of others have the versions that their charts have in this version of ours.
pub(super) fn list(version: &str) -> String {
    let values = Values::default();
    let ours = [
        &values.operator.image,
        &values.auth.image,
        &values.check.image,
    ];
    let ours = ours.map(|image| format!("{}/{}:{version}", image.registry, image.repository));
    let theirs = upstream::ALL.iter().flat_map(|chart| chart.images);
    let mut images: Vec<_> = theirs
        .map(|image| (*image).to_owned())
        .chain(ours)
        .collect();
    images.sort();
    images.join("\n") + "\n"
}
