//! Dashboards of Grafana, as a file to import by hand and as a `ConfigMap` that its sidecar finds.
//!
//! The fields are those of Grafana's own definition of a dashboard (`kinds/dashboard` of its source):
//! ids are unique, panels lie on a grid of 24 columns, and a variable names the data source, so that
//! nothing refers to one installation.

mod layout;
mod panel;

use chartgen::{Document, Expr, ValueRef};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::metadata::{self, Labelling};
pub(crate) use panel::{Limit, Panel, Query, Show, Unit};

/// The version of dashboards that Grafana 11 writes; later ones bring it up to theirs.
const SCHEMA: u32 = 39;
/// By which dashboards of ours link to each other.
const TAG: &str = "fleet-platform";

/// A dashboard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dashboard {
    /// What links lead to; it stays as it is. Of 8 to 40 letters.
    pub(crate) uid: &'static str,
    /// Its name.
    pub(crate) title: &'static str,
    /// What it shows.
    pub(crate) about: &'static str,
    /// From the top.
    pub(crate) rows: &'static [Row],
}

/// Panels with a heading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The heading.
    pub(crate) title: &'static str,
    /// From the left; those that have no room go below.
    pub(crate) panels: &'static [Panel],
}

/// Where in the values a dashboard is.
#[derive(Debug, Clone)]
pub(crate) struct DashboardRefs<V> {
    pub(crate) enabled: ValueRef<V>,
    pub(crate) labels: ValueRef<V>,
    pub(crate) annotations: ValueRef<V>,
}

/// The settings of the dashboard, at the top of the values.
macro_rules! dashboard_refs {
    ($values:ty) => {
        $crate::workload::dashboard::DashboardRefs {
            enabled: chartgen::v!($values, metrics.dashboard.enabled),
            labels: chartgen::v!($values, metrics.dashboard.labels),
            annotations: chartgen::v!($values, metrics.dashboard.annotations),
        }
    };
}
pub(crate) use dashboard_refs;

impl Dashboard {
    /// The path of its file in the chart.
    pub(crate) fn path(&self) -> String {
        format!("dashboards/{}", self.file())
    }

    fn file(&self) -> String {
        format!("{}.json", self.uid)
    }

    /// The text of its file.
    pub(crate) fn text(&self) -> String {
        format!("{:#}\n", self.json())
    }

    /// The `ConfigMap` with that text.
    pub(crate) fn config_map<V>(
        &self,
        labelling: &Labelling,
        name: Expr,
        refs: DashboardRefs<V>,
    ) -> Document {
        let file = self.file();
        let map = ConfigMap {
            metadata: metadata::namespaced(),
            data: Some([(file.clone(), String::new())].into()),
            ..ConfigMap::default()
        };
        labelling
            .in_namespace(Document::new(&map))
            .bind("/metadata/name", name)
            .splice("/metadata/labels", refs.labels)
            .splice("/metadata/annotations", refs.annotations)
            .bind(&format!("/data/{file}"), Expr::file(self.path()))
            .document_when(refs.enabled)
    }

    fn json(&self) -> Value {
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": [TAG],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": true,
            // One crosshair in all panels.
            "graphTooltip": 1,
            "refresh": "1m",
            "time": {"from": "now-6h", "to": "now"},
            "timezone": "browser",
            "templating": {"list": [{
                "name": panel::VARIABLE,
                "label": "Data source",
                "type": "datasource",
                "query": "prometheus",
                "hide": 0,
                "multi": false,
                "includeAll": false,
                "refresh": 1,
                "regex": "",
                "options": [],
                "current": {},
            }]},
            "annotations": {"list": []},
            "links": [{
                "title": "Fleet-platform",
                "type": "dashboards",
                "tags": [TAG],
                "icon": "external link",
                "tooltip": "",
                "url": "",
                "asDropdown": false,
                "targetBlank": false,
                "includeVars": true,
                "keepTime": true,
            }],
            "panels": layout::placed(self.rows),
        })
    }
}
