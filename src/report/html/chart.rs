//! The curve of a counter, or of anything else that is read again and again: readings as dots, the fitted line dashed, its
//! interval hatched.
//!
//! The three differ in form, so that they are told apart in print and by those who see no colours.

use super::svg::{at, escaped};
use crate::{
    finding::{Curve, Rate},
    report::{growth, text::bytes, text::number},
    verdict::Counter,
};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 184.0;
/// Room for the axes' figures.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 30.0;
/// Dots of a curve; more merge into a line.
const MOST: usize = 33;

/// What is drawn.
pub(in crate::report) struct Drawing<'a> {
    pub name: &'a str,
    /// What it counts.
    pub meaning: &'a str,
    /// The curve in a sentence, for those who hear it.
    pub described: String,
    pub readings: &'a [i64],
    /// From one reading to the next.
    pub rate: Option<Rate>,
    /// What the readings follow each other by, what stands at the first, and what at the last.
    pub axis: [&'a str; 3],
    /// How its values are written.
    pub figure: fn(i64) -> String,
}

/// From data to the drawing.
struct Scale {
    last: f64,
    low: f64,
    high: f64,
}

impl Scale {
    fn x(&self, iteration: f64) -> f64 {
        LEFT + (iteration - 1.0) / (self.last - 1.0).max(1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let span = self.high - self.low;
        let share = if span > 0.0 {
            (value - self.low) / span
        } else {
            0.5
        };
        // What lies outside (the interval of a short curve may) ends at the frame.
        TOP + (1.0 - share.clamp(-0.02, 1.02)) * (HEIGHT - TOP - BOTTOM)
    }
}

/// The line with the slope that was fitted: through the median of what it leaves over, as Theil and Sen have it.
struct Fitted {
    rate: Rate,
    middle: f64,
    level: f64,
}

impl Fitted {
    fn to(readings: &[i64], rate: Rate) -> Fitted {
        let mut rest: Vec<f64> = readings
            .iter()
            .enumerate()
            .map(|(at, reading)| *reading as f64 - rate.value * (at + 1) as f64)
            .collect();
        rest.sort_by(f64::total_cmp);
        let middle = (readings.len() + 1) as f64 / 2.0;
        Fitted {
            rate,
            middle,
            level: rest[rest.len() / 2] + rate.value * middle,
        }
    }

    fn value(&self, slope: f64, iteration: f64) -> f64 {
        self.level + slope * (iteration - self.middle)
    }
}

/// The drawing of `curve`; `id` is unique in the page. The curve must not be empty.
pub fn draw(curve: &Curve, id: &str) -> String {
    let size: fn(i64) -> String = |value| bytes(value as f64);
    let count: fn(i64) -> String = |value| number(value as f64);
    let drawing = Drawing {
        name: curve.counter.name(),
        meaning: curve.counter.meaning(),
        described: described(curve),
        readings: &curve.readings,
        rate: curve.rate,
        axis: ["iteration", "1", &number(curve.readings.len() as f64)],
        figure: if curve.counter.is_size() { size } else { count },
    };
    draw_any(&drawing, id)
}

/// The same of anything.
pub(in crate::report) fn draw_any(drawing: &Drawing<'_>, id: &str) -> String {
    // Where a counter stands at first says nothing of a test: what is drawn is the change since.
    let first = drawing.readings.first().copied().unwrap_or(0);
    let readings: Vec<i64> = { drawing.readings.iter() }
        .map(|reading| reading.saturating_sub(first))
        .collect();
    let readings = &readings;
    let (low, high) = readings
        .iter()
        .fold((i64::MAX, i64::MIN), |(low, high), reading| {
            (low.min(*reading), high.max(*reading))
        });
    let scale = Scale {
        last: readings.len() as f64,
        low: low as f64,
        high: high as f64,
    };
    let name = escaped(drawing.name, 60);
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"t{id} e{id}\">\
         <title id=\"t{id}\">{name}: {}</title><desc id=\"e{id}\">{}</desc>",
        escaped(drawing.meaning, 200),
        escaped(&drawing.described, 400),
    );
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    svg.push_str(&format!(
        "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>"
    ));
    let label = |x: f64, y: f64, anchor: &str, text: &str| {
        format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            at(x),
            at(y),
            escaped(text, 40)
        )
    };
    if high == low {
        svg.push_str(&label(
            LEFT - 5.0,
            scale.y(scale.low) + 4.0,
            "end",
            &(drawing.figure)(low),
        ));
    } else {
        svg.push_str(&label(LEFT - 5.0, bottom, "end", &(drawing.figure)(low)));
        svg.push_str(&label(
            LEFT - 5.0,
            TOP + 8.0,
            "end",
            &(drawing.figure)(high),
        ));
    }
    let [axis, from, to] = drawing.axis;
    svg.push_str(&label(LEFT, HEIGHT - 14.0, "middle", from));
    svg.push_str(&label(right, HEIGHT - 14.0, "end", to));
    svg.push_str(&label((LEFT + right) / 2.0, HEIGHT - 2.0, "middle", axis));
    svg.push_str(&format!(
        "<text class=\"name\" x=\"{LEFT}\" y=\"14\">{name}</text>"
    ));
    let mut path = String::new();
    for (iteration, reading) in dots(readings) {
        let step = if path.is_empty() { 'M' } else { 'L' };
        path.push_str(&format!(
            "{step}{} {}",
            at(scale.x(iteration as f64)),
            at(scale.y(reading as f64))
        ));
    }
    svg.push_str(&format!("<path class=\"readings\" d=\"{path}\"/>"));
    // Over the readings, between whose dots it would not be seen.
    if let Some(rate) = drawing.rate {
        svg.push_str(&fitted(&Fitted::to(readings, rate), &scale));
    }
    svg.push_str("</svg>");
    svg
}

/// The fitted line and, where it has a width, the cone of its interval.
fn fitted(fit: &Fitted, scale: &Scale) -> String {
    let point = |slope: f64, iteration: f64| {
        format!(
            "{} {}",
            at(scale.x(iteration)),
            at(scale.y(fit.value(slope, iteration)))
        )
    };
    let [low, high] = fit.rate.interval;
    let mut svg = String::new();
    if high - low > 1e-9 {
        svg.push_str(&format!(
            "<path class=\"interval\" d=\"M{}L{}L{}L{}z\"/>",
            point(low, 1.0),
            point(high, scale.last),
            point(low, scale.last),
            point(high, 1.0),
        ));
    }
    svg.push_str(&format!(
        "<path class=\"fit\" d=\"M{}L{}\"/>",
        point(fit.rate.value, 1.0),
        point(fit.rate.value, scale.last)
    ));
    svg
}

/// Number and value of the readings that are drawn, the first and the last among them.
fn dots(readings: &[i64]) -> Vec<(usize, i64)> {
    let last = readings.len() - 1;
    let count = readings.len().min(MOST);
    (0..count)
        .map(|dot| {
            if count > 1 {
                dot * last / (count - 1)
            } else {
                0
            }
        })
        .map(|at| (at + 1, readings[at]))
        .collect()
}

fn figure(counter: Counter, value: i64) -> String {
    if counter.is_size() {
        bytes(value as f64)
    } else {
        number(value as f64)
    }
}

/// The curve in a sentence, for those who hear it.
fn described(curve: &Curve) -> String {
    let grows = match &curve.rate {
        Some(rate) => format!(
            "fitted growth {} per iteration{}",
            growth::with_interval(curve.counter.name(), rate),
            if rate.exact {
                ", the same each time"
            } else {
                ""
            }
        ),
        None => "no growth".to_owned(),
    };
    let first = curve.readings.first().copied().unwrap_or(0);
    let last = curve.readings.last().copied().unwrap_or(0);
    format!(
        "changed by {} in {} iterations; {grows}",
        figure(curve.counter, last.saturating_sub(first)),
        curve.readings.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(readings: Vec<i64>, interval: Option<[f64; 2]>) -> Curve {
        Curve {
            counter: Counter::Blocks,
            readings,
            rate: interval.map(|interval| Rate {
                value: 3.0,
                interval,
                exact: false,
            }),
        }
    }

    #[test]
    fn the_fitted_line_goes_through_what_it_was_fitted_to() {
        let readings: Vec<i64> = (1..=9).map(|at| 100 + 3 * at).collect();
        let fit = Fitted::to(
            &readings,
            Rate {
                value: 3.0,
                interval: [2.0, 4.0],
                exact: false,
            },
        );
        for (at, reading) in readings.iter().enumerate() {
            assert!((fit.value(3.0, (at + 1) as f64) - *reading as f64).abs() < 1e-9);
        }
        assert!(fit.value(2.0, 9.0) < fit.value(4.0, 9.0));
    }

    #[test]
    fn an_interval_is_drawn_where_it_has_a_width_and_a_line_where_there_is_growth() {
        let readings: Vec<i64> = (0..300).map(|at| 3 * at).collect();
        let wide = draw(&curve(readings.clone(), Some([2.5, 3.5])), "a");
        assert!(wide.contains("class=\"interval\"") && wide.contains("class=\"fit\""));
        let exact = draw(&curve(readings.clone(), Some([3.0, 3.0])), "a");
        assert!(!exact.contains("class=\"interval\"") && exact.contains("class=\"fit\""));
        let flat = draw(&curve(vec![5; 4], None), "a");
        assert!(
            !flat.contains("class=\"fit\"") && !flat.contains("NaN"),
            "{flat}"
        );
        assert!(wide.len() < 2500, "{} bytes for one curve", wide.len());
    }

    #[test]
    fn short_and_extreme_curves_stay_in_the_frame() {
        for readings in [vec![1], vec![i64::MIN, i64::MAX], vec![7, 7]] {
            let svg = draw(&curve(readings, Some([-1e18, 1e18])), "a");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        assert_eq!(
            dots(&(0..1000).collect::<Vec<_>>()).last(),
            Some(&(1000, 999))
        );
    }
}
