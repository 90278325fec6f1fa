//! Lines between two axes.

use std::fmt::Write as _;

use super::axis::{Axis, Scale, label};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Told apart by people who see few colours, too (Okabe and Ito).
const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
];

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// A plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it shows, and of what.
    pub title: String,
    /// What lies along, with its unit and division.
    pub x: (String, Scale),
    /// What lies upwards.
    pub y: (String, Scale),
    /// The lines.
    pub series: Vec<Series>,
}

impl Chart {
    /// As a document.
    pub fn svg(&self) -> String {
        let all = || self.series.iter().flat_map(|s| s.points.iter());
        let x = Axis::over(self.x.1, all().map(|p| p.0));
        let y = Axis::over(self.y.1, all().map(|p| p.1));
        let mut body = String::new();
        Self::grid(&mut body, &x, &y);
        for (number, series) in self.series.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            line(&mut body, series, colour, &x, &y);
            let at = TOP + 16.0 + 16.0 * of(number);
            let name = &series.name;
            text(&mut body, WIDTH - RIGHT - 8.0, at, "end", colour, name);
        }
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
        text(&mut body, middle, 22.0, "middle", "#222", &self.title);
        text(
            &mut body,
            middle,
            HEIGHT - 10.0,
            "middle",
            "#222",
            &self.x.0,
        );
        text(&mut body, 8.0, TOP - 10.0, "start", "#222", &self.y.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }

    fn grid(body: &mut String, x: &Axis, y: &Axis) {
        for tick in x.ticks() {
            let Some(at) = x.place(tick).map(along) else {
                continue;
            };
            rule(body, (at, TOP), (at, HEIGHT - BOTTOM));
            let below = HEIGHT - BOTTOM + 16.0;
            text(body, at, below, "middle", "#555", &label(tick));
        }
        for tick in y.ticks() {
            let Some(at) = y.place(tick).map(upwards) else {
                continue;
            };
            rule(body, (LEFT, at), (WIDTH - RIGHT, at));
            text(body, LEFT - 6.0, at + 4.0, "end", "#555", &label(tick));
        }
    }
}

fn line(body: &mut String, series: &Series, colour: &str, x: &Axis, y: &Axis) {
    let place = |(px, py): &(f64, f64)| Some((along(x.place(*px)?), upwards(y.place(*py)?)));
    let places: Vec<_> = series.points.iter().filter_map(place).collect();
    let points: Vec<_> = places
        .iter()
        .map(|(px, py)| format!("{px:.1},{py:.1}"))
        .collect();
    // Writing to a string cannot fail.
    let _ = writeln!(
        body,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/>",
        points.join(" ")
    );
    // A few measured points are seen as such.
    if places.len() <= 12 {
        for (px, py) in places {
            let _ = writeln!(
                body,
                "<circle cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"3\" fill=\"{colour}\"/>"
            );
        }
    }
}

fn rule(body: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        body,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, colour: &str, what: &str) {
    let what = escaped(what);
    let _ = writeln!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{what}</text>"
    );
}

/// As XML has it between tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn along(place: f64) -> f64 {
    LEFT + place * (WIDTH - LEFT - RIGHT)
}

fn upwards(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM)
}

fn of(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_holds_its_lines_and_escapes_their_names() {
        let chart = Chart {
            title: "p99 < 1 s & more".to_owned(),
            x: ("seconds".to_owned(), Scale::Linear),
            y: ("ms".to_owned(), Scale::Log),
            series: vec![Series {
                name: "one".to_owned(),
                points: vec![(0.0, 1.0), (5.0, 0.0), (10.0, 100.0)],
            }],
        };
        let svg = chart.svg();
        assert!(svg.contains("p99 &lt; 1 s &amp; more"), "{svg}");
        // What a logarithm does not know is left out.
        assert!(svg.contains("points=\"70.0,350.0 700.0,40.0\""), "{svg}");
    }
}
