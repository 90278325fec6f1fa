//! Types that the values of most charts share, with their documentation and constraints.
//!
//! Their comments are read by whoever installs the chart, in `values.yaml`, the schema and the
//! README; where a chart means something more special, the comment of its own field replaces that
//! of the type.
//!
//! ```
//! use chartgen::common::{Image, Labels, Resources};
//!
//! #[derive(serde::Serialize, schemars::JsonSchema)]
//! #[serde(rename_all = "camelCase")]
//! struct Values {
//!     image: Image,
//!     resources: Resources,
//!     /// Labels of the pods, besides those of the chart.
//!     pod_labels: Labels,
//! }
//!
//! impl Default for Values {
//!     fn default() -> Self {
//!         Self {
//!             image: Image::of("registry.example", "team/app"),
//!             resources: Resources::default().request("cpu", "50m").limit("memory", "128Mi"),
//!             pod_labels: Labels::default(),
//!         }
//!     }
//! }
//! # chartgen::ValuesDoc::of::<Values>()?;
//! # Ok::<(), chartgen::ValuesError>(())
//! ```

mod account;
mod image;
mod metadata;
mod open;
mod probe;
mod resources;

pub use account::{ExistingSecret, ServiceAccount};
pub use image::{Global, Image, PullPolicy, PullSecret};
pub use metadata::{Annotations, Labels};
pub use open::{FreeForm, FreeFormList, IntOrString};
pub use probe::{Probe, Toggle};
pub use resources::{Quantity, Resources};

/// The name of an object of Kubernetes, or nothing.
const OBJECT_NAME: &str = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$";
/// Names of objects have at most as many letters.
const NAME_LENGTH: usize = 253;
