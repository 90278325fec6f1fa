//! What every object of the chart carries.

use chartgen::v;

use super::PROGRAM;
use super::values::Values;
use crate::workload::Labelling;

/// The labelling of the chart's objects.
pub(super) fn labelling() -> Labelling {
    Labelling {
        program: PROGRAM,
        annotations: v!(Values, common_annotations).into(),
    }
}
