//! Flame graphs: where a program's processor time goes, by who calls whom.
//!
//! Every box is a function, as wide as the part of all samples in which it was on the stack; what it
//! called lies above it. Along, boxes are in the order of their names: it is no axis of time.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::chart::escaped;

const WIDTH: f64 = 1_200.0;
const ROW: f64 = 15.0;
const TOP: f64 = 34.0;
/// Narrower boxes are not drawn: nobody sees them, and they are most of all.
const LEAST: f64 = 0.8;
/// So wide is a letter, about.
const LETTER: f64 = 6.2;
const COLOURS: [&str; 6] = [
    "#f2c35e", "#eea85a", "#e99157", "#f0b76b", "#e6a04c", "#f5d07c",
];

/// A function in the place from which it was called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    samples: u64,
    called: BTreeMap<String, Frame>,
}

impl Frame {
    /// What `perf script` prints, of stacks that were recorded with `perf record -g`: a line for each
    /// sample, then its frames, the innermost first, then an empty line.
    pub fn from_perf_script(text: &str) -> Self {
        let mut all = Self::default();
        let mut stack: Vec<&str> = Vec::new();
        for line in text.lines().chain([""]) {
            if line.trim().is_empty() {
                if !stack.is_empty() {
                    all.add(stack.iter().rev().copied());
                    stack.clear();
                }
            } else if line.starts_with(char::is_whitespace) {
                stack.extend(function(line));
            }
        }
        all
    }

    /// How many samples there are.
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    fn add<'a>(&mut self, stack: impl Iterator<Item = &'a str>) {
        self.samples += 1;
        let mut here = self;
        for name in stack {
            here = here.called.entry(name.to_owned()).or_default();
            here.samples += 1;
        }
    }

    /// As a document.
    pub fn svg(&self, title: &str) -> String {
        let mut rows = 0;
        let mut boxes = String::new();
        let scale = WIDTH / of(self.samples.max(1));
        self.draw(&mut |depth, x, name, samples| {
            let width = of(samples) * scale;
            if width >= LEAST {
                rows = rows.max(depth + 1);
                boxes.push_str(&drawn(depth, x * scale, width, name, samples, self.samples));
            }
        });
        let height = TOP + ROW * of(rows) + 6.0;
        let title = escaped(title);
        let samples = self.samples;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             font-family=\"monospace\" font-size=\"10\">\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
             <text x=\"6\" y=\"20\" font-size=\"13\" fill=\"#222\">{title}: {samples} samples</text>\n\
             <g transform=\"translate(0 {height}) scale(1 -1)\">\n{boxes}</g>\n</svg>\n"
        )
    }

    /// Tells of every function: how deep, from which sample on, its name, how many samples.
    fn draw(&self, tell: &mut impl FnMut(u64, f64, &str, u64)) {
        let mut open: Vec<(u64, f64, &str, &Self)> = vec![(0, 0.0, "", self)];
        while let Some((depth, start, name, frame)) = open.pop() {
            if depth > 0 {
                tell(depth - 1, start, name, frame.samples);
            }
            let mut at = start;
            for (name, called) in &frame.called {
                open.push((depth + 1, at, name, called));
                at += of(called.samples);
            }
        }
    }
}

/// The function of a line such as `  55d0c0ffee12 core::fmt::write+0x1f (/usr/bin/x)`.
fn function(line: &str) -> Option<&str> {
    let (_, rest) = line.trim().split_once(' ')?;
    let name = rest.rsplit_once(" (").map_or(rest, |(name, _)| name);
    let name = name.rsplit_once("+0x").map_or(name, |(name, _)| name);
    Some(name.trim()).filter(|name| !name.is_empty())
}

/// A box. The picture stands on its head, so that its height need not be known; letters do not.
fn drawn(depth: u64, x: f64, width: f64, name: &str, samples: u64, all: u64) -> String {
    let y = 4.0 + ROW * of(depth);
    let letters = (width / LETTER).floor();
    let mut text = String::new();
    if letters >= 4.0 {
        let fits = |(number, _): &(u32, char)| f64::from(*number) <= letters;
        let short: String = (1..)
            .zip(name.chars())
            .take_while(fits)
            .map(|(_, letter)| letter)
            .collect();
        let (tx, ty) = (x + 2.0, -(y + 3.5));
        let short = escaped(&short);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "<text x=\"{tx:.1}\" y=\"{ty:.1}\" transform=\"scale(1 -1)\">{short}</text>"
        );
    }
    let part = of(samples) / of(all.max(1)) * 100.0;
    let colour = COLOURS[name.bytes().map(usize::from).sum::<usize>() % COLOURS.len()];
    format!(
        "<g><title>{} {part:.1} %</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" \
         height=\"{}\" fill=\"{colour}\"/>{text}</g>\n",
        escaped(name),
        (width - 0.3).max(0.3),
        ROW - 1.0,
    )
}

#[expect(clippy::cast_precision_loss, reason = "samples are far below 2^52")]
fn of(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "\
operator 17/18 4.1:  250000 cpu-clock:
\t    55d0 core::fmt::write+0x1f (/bin/operator)
\t    55d1 serde_json::to_vec::<Status>+0x2 (/bin/operator)
\t    55d2 main (/bin/operator)

operator 17/18 4.2:  250000 cpu-clock:
\t    55d1 serde_json::to_vec::<Status>+0x9 (/bin/operator)
\t    55d2 main (/bin/operator)

operator 17/19 4.3:  250000 cpu-clock:
\tffff8 [unknown] ([kernel.kallsyms])
";

    #[test]
    fn samples_are_counted_by_who_called_whom() {
        let all = Frame::from_perf_script(SCRIPT);
        assert_eq!(all.samples(), 3);
        let mut found = Vec::new();
        all.draw(&mut |depth, _, name, samples| found.push((depth, name.to_owned(), samples)));
        found.sort();
        let expected = [
            (0, "[unknown]", 1),
            (0, "main", 2),
            (1, "serde_json::to_vec::<Status>", 2),
            (2, "core::fmt::write", 1),
        ];
        assert_eq!(found, expected.map(|(d, n, s)| (d, n.to_owned(), s)));
    }

    #[test]
    fn a_box_is_as_wide_as_its_part_and_names_are_escaped() {
        let svg = Frame::from_perf_script(SCRIPT).svg("a & b");
        assert!(svg.contains("a &amp; b: 3 samples"), "{svg}");
        assert!(svg.contains("<title>main 66.7 %</title>"), "{svg}");
        assert!(svg.contains("serde_json::to_vec::&lt;Status&gt;"), "{svg}");
        assert!(svg.contains("width=\"799.7\""), "two thirds of it: {svg}");
        let nothing = Frame::from_perf_script("").svg("nothing");
        assert!(nothing.contains("nothing: 0 samples"), "{nothing}");
    }
}
