//! Positions on an axis.

/// Positions for values: themselves, or their logarithms.
pub struct Scale {
    log: bool,
    low: f64,
    high: f64,
}

impl Scale {
    /// Logarithmic if the values span more than a decade, else from zero.
    pub fn fit(values: impl Iterator<Item = f64> + Clone) -> Scale {
        let high = values.clone().fold(0.0, f64::max);
        let low = values.filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        if high > 10.0 * low {
            Scale { log: true, low: step_below(low), high: high * 1.05 }
        } else {
            Scale { log: false, low: 0.0, high: if high > 0.0 { high * 1.05 } else { 1.0 } }
        }
    }

    pub fn exact(values: impl Iterator<Item = f64> + Clone) -> Scale {
        let high = values.clone().fold(1.0, f64::max);
        let low = values.fold(high, f64::min);
        Scale { log: true, low, high: if high > low { high } else { low * 2.0 } }
    }

    pub fn at(&self, value: f64) -> f64 {
        if self.log { value.max(self.low).log10() } else { value }
    }

    pub fn span(&self) -> (f64, f64) {
        (self.at(self.low), self.at(self.high))
    }

    /// Round values within the scale, not many.
    pub fn ticks(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let candidates: Vec<f64> = if !self.log {
            let step = [1.0, 2.0, 5.0].map(|n| n * 10f64.powf((self.high / 4.0).log10().floor()));
            let step = step.into_iter().rfind(|step| self.high / step >= 2.0).unwrap_or(step[0]);
            (0..6).map(|n| f64::from(n) * step).collect()
        } else {
            let first = self.low.log10().floor() as i32;
            let last = self.high.log10().ceil() as i32;
            let within: &[f64] = if decades > 2.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
            let every = if decades > 5.0 { 2 } else { 1 };
            let powers = (first..=last).step_by(every).map(|power| 10f64.powi(power));
            powers.flat_map(|power| within.iter().map(move |n| n * power)).collect()
        };
        candidates.into_iter().filter(|tick| (self.low..=self.high).contains(tick)).collect()
    }
}

/// The next of 1, 2, 5, 10, ... below.
fn step_below(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|n| n * power).find(|step| *step < value).unwrap_or(power / 2.0)
}
