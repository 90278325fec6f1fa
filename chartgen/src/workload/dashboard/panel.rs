//! One picture.

use serde_json::{Value, json};

/// The variable that names the data source.
pub(super) const VARIABLE: &str = "datasource";

/// One picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panel {
    /// Its heading.
    pub(crate) title: &'static str,
    /// What it tells, and what to do when it is bad.
    pub(crate) about: &'static str,
    /// How it looks.
    pub(crate) show: Show,
    /// What its numbers are.
    pub(crate) unit: Unit,
    /// How wide it is, of 24 columns.
    pub(crate) width: u32,
    /// What it shows.
    pub(crate) queries: &'static [Query],
}

/// How a panel looks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Show {
    /// The present number, red from a limit on.
    Number(Limit),
    /// Lines over time.
    Lines,
    /// Areas over time, one on the other, where the sum says something as well.
    Stack,
}

/// From where on a number is bad.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// It is never bad.
    None,
    /// From here on.
    From(u32),
    /// Below.
    Below(u32),
}

/// What a number is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unit {
    /// A count.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes, by 1024.
    Bytes,
    /// Events in a second.
    PerSecond,
    /// A share of one.
    Share,
}

/// A line, or several, of a panel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    /// In `PromQL`.
    pub(crate) expr: &'static str,
    /// What the line is called; `{{label}}` stands for a label's value.
    pub(crate) legend: &'static str,
}

impl Panel {
    /// In rows of the grid.
    pub(super) fn height(&self) -> u32 {
        match self.show {
            Show::Number(_) => 4,
            Show::Lines | Show::Stack => 8,
        }
    }

    pub(super) fn json(&self, id: usize, place: &Value) -> Value {
        let queries = ('A'..='Z').zip(self.queries);
        let queries: Vec<_> = queries.map(|(id, query)| self.query(id, query)).collect();
        json!({
            "id": id,
            "type": match self.show {
                Show::Number(_) => "stat",
                Show::Lines | Show::Stack => "timeseries",
            },
            "title": self.title,
            "description": self.about,
            "datasource": source(),
            "gridPos": place,
            "fieldConfig": {"defaults": self.field(), "overrides": []},
            "options": self.options(),
            "targets": queries,
        })
    }

    fn query(&self, id: char, query: &Query) -> Value {
        let instant = matches!(self.show, Show::Number(Limit::None));
        json!({
            "refId": id,
            "datasource": source(),
            "editorMode": "code",
            "expr": query.expr,
            "legendFormat": query.legend,
            "instant": instant,
            "range": !instant,
        })
    }

    fn field(&self) -> Value {
        let steps = |below: &str, from: u32, above: &str| {
            let first = json!({"color": below, "value": null});
            json!([first, {"color": above, "value": from}])
        };
        let (color, steps) = match self.show {
            Show::Number(Limit::None) | Show::Lines | Show::Stack => {
                ("palette-classic", json!([{"color": "text", "value": null}]))
            }
            Show::Number(Limit::From(limit)) => ("thresholds", steps("green", limit, "red")),
            Show::Number(Limit::Below(limit)) => ("thresholds", steps("red", limit, "green")),
        };
        json!({
            "unit": self.unit.id(),
            "min": 0,
            "color": {"mode": color},
            "thresholds": {"mode": "absolute", "steps": steps},
            "custom": match self.show {
                Show::Number(_) => json!({}),
                Show::Lines => json!({"fillOpacity": 0, "showPoints": "never"}),
                Show::Stack => json!({
                    "fillOpacity": 30,
                    "showPoints": "never",
                    "stacking": {"mode": "normal", "group": "A"},
                }),
            },
        })
    }

    fn options(&self) -> Value {
        match self.show {
            Show::Number(_) => json!({
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "auto",
                "orientation": "auto",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
                "textMode": "auto",
            }),
            Show::Lines | Show::Stack => json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
        }
    }
}

impl Unit {
    /// As Grafana calls it.
    const fn id(self) -> &'static str {
        match self {
            Self::Count => "short",
            Self::Seconds => "s",
            Self::Bytes => "bytes",
            Self::PerSecond => "cps",
            Self::Share => "percentunit",
        }
    }
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": format!("${{{VARIABLE}}}")})
}
