//! From values to places on paper.

/// How an axis is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps, from zero.
    Linear,
    /// Equal factors.
    Log,
}

/// An axis for values in a range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Axis {
    /// One that holds all values, its ends on round numbers. A logarithmic one leaves out what is not
    /// positive.
    pub fn over(scale: Scale, values: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|v| v.is_finite() && (scale == Scale::Linear || *v > 0.0)) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (1.0, 10.0);
        }
        match scale {
            Scale::Linear => {
                let high = if high > 0.0 { high } else { 1.0 };
                let step = round_step(high);
                Self {
                    scale,
                    low: 0.0,
                    high: (high / step).ceil() * step,
                }
            }
            Scale::Log => {
                let (low, high) = (low.log10().floor(), high.log10().ceil());
                Self {
                    scale,
                    low: 10_f64.powf(low),
                    high: 10_f64.powf(high.max(low + 1.0)),
                }
            }
        }
    }

    /// Where a value lies, from 0 to 1; none if it is not on the axis.
    pub fn place(&self, value: f64) -> Option<f64> {
        let place = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log if value > 0.0 => {
                (value / self.low).log10() / (self.high / self.low).log10()
            }
            Scale::Log => return None,
        };
        (-1e-9..=1.0 + 1e-9).contains(&place).then_some(place)
    }

    /// The values that are marked.
    pub fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        let step = round_step(self.high);
        let mut at = self.low;
        while at <= self.high * (1.0 + 1e-9) {
            ticks.push(at);
            at = match self.scale {
                Scale::Linear => at + step,
                Scale::Log => at * 10.0,
            };
        }
        ticks
    }
}

/// A round step of which four to ten lead to `high`.
fn round_step(high: f64) -> f64 {
    let power = 10_f64.powf((high / 4.0).log10().floor());
    let steps = [5.0, 2.0, 1.0];
    let fits = |factor: &&f64| high / (power * **factor) >= 4.0;
    steps.iter().find(fits).map_or(power, |f| power * f)
}

/// A value as people write it.
pub fn label(value: f64) -> String {
    let (scaled, unit) = if value.abs() >= 1e6 {
        (value / 1e6, "M")
    } else if value.abs() >= 1e3 {
        (value / 1e3, "k")
    } else {
        (value, "")
    };
    let rounded = (scaled * 1000.0).round() / 1000.0;
    format!("{rounded}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_everything() {
        let axis = Axis::over(Scale::Linear, [0.0, 9_700.0].into_iter());
        assert_eq!(axis.ticks(), [0.0, 2e3, 4e3, 6e3, 8e3, 1e4]);
        assert_eq!(axis.place(5_000.0), Some(0.5));
        let axis = Axis::over(Scale::Log, [0.0, 3.0, 250.0].into_iter());
        assert_eq!(axis.ticks(), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!((axis.place(0.0), axis.place(1.0)), (None, Some(0.0)));
        let labels = [0.25, 10.0, 2_500.0, 1e6].map(label);
        assert_eq!(labels, ["0.25", "10", "2.5k", "1M"]);
    }
}
