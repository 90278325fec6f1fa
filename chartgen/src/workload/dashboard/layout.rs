//! Where panels are.

use serde_json::{Value, json};

use super::{Panel, Row};

/// The columns of Grafana's grid.
const COLUMNS: u32 = 24;

/// All panels and headings, each with an id and a place of its own.
pub(super) fn placed(rows: &[Row]) -> Vec<Value> {
    let mut panels = Vec::new();
    let mut top = 0;
    for row in rows {
        let id = panels.len() + 1;
        panels.push(heading(row, id, top));
        top += 1;
        for line in lines(row.panels) {
            let mut left = 0;
            for panel in &line {
                let place = json!({"x": left, "y": top, "w": panel.width, "h": panel.height()});
                panels.push(panel.json(panels.len() + 1, &place));
                left += panel.width;
            }
            top += line.iter().map(|panel| panel.height()).max().unwrap_or(0);
        }
    }
    panels
}

fn heading(row: &Row, id: usize, top: u32) -> Value {
    json!({
        "id": id,
        "type": "row",
        "title": row.title,
        "collapsed": false,
        "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        "panels": [],
    })
}

/// As many beside each other as there is room for.
fn lines(panels: &[Panel]) -> Vec<Vec<&Panel>> {
    let mut lines: Vec<Vec<&Panel>> = Vec::new();
    let mut used = COLUMNS;
    for panel in panels {
        match lines.last_mut() {
            Some(line) if used + panel.width <= COLUMNS => {
                line.push(panel);
                used += panel.width;
            }
            _ => {
                lines.push(vec![panel]);
                used = panel.width;
            }
        }
    }
    lines
}
