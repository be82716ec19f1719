//! How a figure is written: three digits that matter, and a unit.

#[derive(Clone, Copy, PartialEq)]
pub enum Unit {
    Time,
    Bytes,
    Percent,
    Count,
}

impl Unit {
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Time => scaled(value, &["ns", "µs", "ms", "s"]),
            Unit::Bytes => scaled(value, &["B", "kB", "MB", "GB"]),
            Unit::Percent => format!("{} %", digits(value)),
            Unit::Count => digits(value),
        }
    }

    /// The same for the label of an axis: round numbers need no zeros behind the point.
    pub fn tick(self, value: f64) -> String {
        let shown = self.show(value);
        let (number, unit) = shown.split_once(' ').unwrap_or((&shown, ""));
        let number =
            if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
        format!("{number} {unit}").trim_end().to_string()
    }
}

fn scaled(value: f64, units: &[&str]) -> String {
    let mut value = value;
    let mut units = units.iter();
    let mut unit = units.next().expect("a list of units is never empty");
    // What would be written as 1000 of a unit is one of the next.
    while value.abs() >= 999.5 {
        let Some(next) = units.next() else { break };
        value /= 1000.0;
        unit = next;
    }
    format!("{} {unit}", digits(value))
}

pub fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        x if x >= 99.95 => format!("{value:.0}"),
        x if x >= 9.995 => format!("{value:.1}"),
        x if x >= 0.9995 => format!("{value:.2}"),
        x if x >= 0.0995 => format!("{value:.3}"),
        // Two digits after all zeros.
        x => format!("{value:.*}", (1.0 - x.log10().floor()) as usize),
    }
}

/// A ratio beside its limit: with as many digits as it takes to see on which side it is.
pub fn ratio_beside(value: f64, limit: f64) -> String {
    let shown = digits(value);
    match shown.parse::<f64>() {
        Ok(read) if (read > limit) == (value > limit) && (limit == 1.0 || (limit - 1.0).abs() >= 0.01) => {
            shown
        }
        _ => format!("{value:.4}"),
    }
}
