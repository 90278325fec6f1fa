//! The list of images.

use super::upstream;
use super::values::Values;
use crate::Release;

/// Every image that the chart runs by its defaults or with one of its profiles, one a line and sorted.
/// Those of others have the versions that their charts have in this version of ours.
pub(super) fn list(release: &Release) -> String {
    let theirs = of_others().into_iter().map(str::to_owned);
    let mut images: Vec<_> = own(release).into_iter().chain(theirs).collect();
    images.sort();
    images.join("\n") + "\n"
}

/// Those of this project.
pub(super) fn own(release: &Release) -> Vec<String> {
    let values = Values::default();
    let images = [
        &values.auth.image,
        &values.check.image,
        &values.operator.image,
    ];
    images.map(|image| release.image(image)).to_vec()
}

/// Those of others.
pub(super) fn of_others() -> Vec<&'static str> {
    let charts = upstream::ALL.iter();
    let mut images: Vec<_> = charts.flat_map(|chart| chart.images).copied().collect();
    images.sort_unstable();
    images
}
