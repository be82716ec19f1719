//! The two kinds of picture: bars, one row a pool, and curves, one line a pool.
//!
//! Everything is placed by positions on a [`Scale`], which is the logarithm where the values span decades. Sizes of
//! letters are in the units of `plotters`, 1.24 of which make a pixel of SVG.

use super::Made;
use super::palette::{OTHER, UNBOUNDED, colour};
use super::scale::Scale;
use super::units::Unit;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 760;
const NAMES: i32 = 200;
const ROW: i32 = 18;
/// Where the names of marks begin, and how high each is.
const MARKS: i32 = 50;
const MARK: i32 = 15;
/// Room for a figure at the end of a bar.
const FIGURE: i32 = 62;
const TEXT: i32 = 15;
const HEADING: i32 = 17;
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const RED: RGBColor = RGBColor(0xb0, 0x1e, 0x1e);
const GRID: RGBColor = RGBColor(0xe2, 0xe4, 0xe8);

pub struct Bar {
    pub name: String,
    /// Where the bar begins, if not at the axis.
    pub from: Option<f64>,
    pub value: f64,
    /// The quartiles.
    pub spread: Option<(f64, f64)>,
}

pub struct BarPanel {
    pub title: String,
    pub unit: Unit,
    pub bars: Vec<Bar>,
    /// Lines across all bars: floors, ideals.
    pub marks: Vec<(String, f64)>,
}

impl BarPanel {
    fn values(&self) -> impl Iterator<Item = f64> + Clone {
        let ends = self.bars.iter().flat_map(|bar| {
            [bar.value, bar.from.unwrap_or(bar.value), bar.spread.map_or(bar.value, |spread| spread.1)]
        });
        ends.chain(self.marks.iter().map(|mark| mark.1))
    }
}

/// Panels side by side, on one scale or each on its own. The first one decides the order of the rows.
pub fn bars(title: &str, panels: &[BarPanel], one_scale: bool) -> Made<String> {
    let mut names: Vec<&str> = Vec::new();
    for panel in panels {
        let mut sorted: Vec<&Bar> = panel.bars.iter().collect();
        sorted.sort_by(|a, b| a.value.total_cmp(&b.value));
        for bar in sorted {
            if !names.contains(&bar.name.as_str()) {
                names.push(&bar.name);
            }
        }
    }
    let marks = panels.iter().map(|panel| panel.marks.len()).max().unwrap_or(0) as i32;
    let top = MARKS + MARK * marks;
    let height = top + ROW * names.len() as i32 + 30;
    picture(title, height, |root| {
        for (row, name) in names.iter().enumerate() {
            let y = top + ROW * row as i32 + ROW / 2;
            write_name(root, name, (NAMES - 8, y), HPos::Right)?;
        }
        let width = (WIDTH as i32 - NAMES) / panels.len() as i32;
        for (place, panel) in panels.iter().enumerate() {
            let left = NAMES + width * place as i32;
            let area = root.clone().shrink((left, 0), (width, height));
            let alike = panels.iter().filter(|other| one_scale || std::ptr::eq(*other, panel));
            let scale = Scale::fit(alike.flat_map(BarPanel::values));
            bar_panel(&area, panel, &names, &scale, (top, width - 12))?;
        }
        Ok(())
    })
}

fn bar_panel(area: &Area, panel: &BarPanel, names: &[&str], scale: &Scale, (top, width): (i32, i32)) -> Made {
    write(area, &panel.title, (0, 36), TEXT, HPos::Left, INK)?;
    if panel.bars.is_empty() {
        return write(area, "not measured", (0, top + ROW / 2), TEXT, HPos::Left, OTHER);
    }
    let (low, high) = scale.span();
    let bottom = top + ROW * names.len() as i32;
    // Right of the longest bar there is room for its figure.
    let room = f64::from(width - FIGURE) / (high - low);
    let x = |value: f64| ((scale.at(value) - low) * room).round() as i32;
    bar_axis(
        area,
        panel.unit,
        &scale.ticks().into_iter().map(|tick| (x(tick), tick)).collect::<Vec<_>>(),
        (top, bottom),
    )?;
    for (place, (_, value)) in panel.marks.iter().enumerate() {
        let y = MARKS + MARK * place as i32;
        line(area, &[(x(*value), y), (x(*value), bottom)], RED, 1)?;
    }
    for bar in &panel.bars {
        let row = names.iter().position(|name| *name == bar.name).expect("every bar has its row") as i32;
        let y = top + ROW * row;
        let from = bar.from.map_or(0, x);
        let to = x(bar.value).max(from + 1);
        area.draw(&Rectangle::new([(from, y + 3), (to, y + ROW - 3)], colour(&bar.name).filled()))?;
        let mut end = to;
        if let Some((q1, q3)) = bar.spread.filter(|(q1, q3)| x(*q3) > x(*q1)) {
            end = end.max(x(q3));
            line(area, &[(x(q1), y + ROW / 2), (x(q3), y + ROW / 2)], INK, 1)?;
        }
        let shown = match bar.from {
            Some(from) => format!("{}-{}", panel.unit.show(from), panel.unit.show(bar.value)),
            None => panel.unit.show(bar.value),
        };
        write_over(area, &shown, (end + 4, y + ROW / 2), INK)?;
    }
    for (place, (name, value)) in panel.marks.iter().enumerate() {
        let left = (x(*value) - width_of(name) / 2).min(width - width_of(name)).max(0);
        write_over(area, name, (left, MARKS + MARK * place as i32 + MARK / 2), RED)?;
    }
    Ok(())
}

fn bar_axis(area: &Area, unit: Unit, ticks: &[(i32, f64)], (top, bottom): (i32, i32)) -> Made {
    let mut free = -1;
    for (x, tick) in ticks {
        line(area, &[(*x, top), (*x, bottom)], GRID, 1)?;
        let shown = unit.tick(*tick);
        let left = (*x - width_of(&shown) / 2).max(0);
        if left > free {
            free = left + width_of(&shown) + 8;
            write(area, &shown, (left + width_of(&shown) / 2, bottom + 12), TEXT, HPos::Center, INK)?;
        }
    }
    line(area, &[(0, top), (0, bottom)], OTHER, 1)
}

pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub struct CurvePanel {
    pub title: String,
    pub unit: Unit,
    pub curves: Vec<Curve>,
    /// Level lines: what something else reached.
    pub marks: Vec<(String, f64)>,
}

impl CurvePanel {
    fn values(&self) -> impl Iterator<Item = f64> + Clone {
        let points = self.curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
        points.chain(self.marks.iter().map(|mark| mark.1))
    }
}

/// Panels in rows of `columns`; the last panel of a row has the names at the ends of its lines.
pub struct Curves {
    pub title: String,
    pub panels: Vec<CurvePanel>,
    pub columns: usize,
    pub x_title: &'static str,
    /// What is written under which position; a position must be above zero.
    pub x_names: Vec<(f64, String)>,
    /// Whether panels of one unit have one scale, so that they can be compared.
    pub one_scale: bool,
}

pub fn curves(spec: &Curves) -> Made<String> {
    let Curves { title, panels, columns, x_title, x_names, one_scale } = spec;
    let columns = *columns;
    let rows = panels.len().div_ceil(columns);
    let names = panels.iter().map(|panel| panel.curves.len()).max().unwrap_or(0) as i32;
    let row_height = (names * 15 + 64).clamp(170, 330);
    let top = 26;
    let right = if names > 3 { 196 } else { 90 };
    picture(title, top + row_height * rows as i32 + 18, |root| {
        for (place, panel) in panels.iter().enumerate() {
            let (row, column) = ((place / columns) as i32, (place % columns) as i32);
            let width = (WIDTH as i32 - right) / columns as i32;
            let last = column + 1 == columns as i32 || place + 1 == panels.len();
            let area = root.clone().shrink(
                (width * column, top + row_height * row),
                (if last { width + right } else { width }, row_height),
            );
            let alike = panels.iter().filter(|other| {
                if *one_scale { other.unit == panel.unit } else { std::ptr::eq(*other, panel) }
            });
            let y = Scale::fit(alike.flat_map(CurvePanel::values));
            let ends = curve_panel(&area, panel, &y, x_names, (width - 12, row_height))?;
            if last {
                let row = &panels[row as usize * columns..=place];
                label_ends(&area, ends, row, (width - 12, row_height - 4))?;
            }
        }
        let foot = (WIDTH as i32 - right) / 2;
        write(root, x_title, (foot, top + row_height * rows as i32 + 6), TEXT, HPos::Center, INK)
    })
}

/// Where the lines end, and their names.
type Ends<'p> = Vec<((i32, i32), &'p str)>;

fn curve_panel<'p>(
    area: &Area,
    panel: &'p CurvePanel,
    y_scale: &Scale,
    x_names: &[(f64, String)],
    (width, height): (i32, i32),
) -> Made<Ends<'p>> {
    let (left, top, bottom) = (56, 24, height - 26);
    write(area, &panel.title, (left, 12), TEXT, HPos::Left, INK)?;
    let x_scale = Scale::exact(x_names.iter().map(|name| name.0));
    let place = |scale: &Scale, value: f64, from: i32, to: i32| {
        let (low, high) = scale.span();
        let share = (scale.at(value) - low) / (high - low);
        from + (share * f64::from(to - from)).round() as i32
    };
    let x = |value: f64| place(&x_scale, value, left + 6, width - 6);
    let y = |value: f64| place(y_scale, value, bottom, top);
    for tick in y_scale.ticks() {
        line(area, &[(left, y(tick)), (width, y(tick))], GRID, 1)?;
        write(area, &panel.unit.tick(tick), (left - 4, y(tick)), TEXT, HPos::Right, INK)?;
    }
    line(area, &[(left, bottom), (width, bottom)], OTHER, 1)?;
    name_positions(area, x_names.iter().map(|(value, name)| (x(*value), name.as_str())), bottom)?;
    for (name, value) in &panel.marks {
        line(area, &[(left, y(*value)), (width, y(*value))], level(name), 1)?;
    }
    let mut ends = Vec::new();
    // The pool of this crate is drawn last, above all others.
    for curve in panel.curves.iter().rev() {
        let points: Vec<(i32, i32)> = curve.points.iter().map(|point| (x(point.0), y(point.1))).collect();
        let strong = matches!(curve.name.as_str(), "admit" | "mutex" | "free" | "busy");
        line(area, &points, colour(&curve.name), if strong { 3 } else { 1 })?;
        if strong || points.len() == 1 {
            for point in &points {
                area.draw(&Circle::new(*point, 3, colour(&curve.name).filled()))?;
            }
        }
        if let Some(end) = points.last() {
            ends.push((*end, curve.name.as_str()));
        }
    }
    Ok(ends)
}

/// From the right, so that the largest has its name; one that would touch its neighbour has none.
fn name_positions<'n>(
    area: &Area,
    names: impl DoubleEndedIterator<Item = (i32, &'n str)>,
    bottom: i32,
) -> Made {
    let mut free = i32::MAX;
    for (x, name) in names.rev() {
        line(area, &[(x, bottom), (x, bottom + 3)], OTHER, 1)?;
        if x + width_of(name) / 2 < free {
            free = x - width_of(name) / 2 - 4;
            write(area, name, (x, bottom + 12), TEXT, HPos::Center, INK)?;
        }
    }
    Ok(())
}

/// Names at the ends of the lines, pushed apart until none covers another. Names that only the other panels of the
/// row have stand below them.
fn label_ends<'p>(
    area: &Area,
    mut ends: Ends<'p>,
    row: &'p [CurvePanel],
    (width, height): (i32, i32),
) -> Made {
    const GAP: i32 = 14;
    ends.sort_by_key(|((_, y), name)| (*y, *name));
    for curve in row.iter().flat_map(|panel| &panel.curves) {
        if ends.iter().all(|(_, name)| *name != curve.name) {
            ends.push(((width + 12, height), &curve.name));
        }
    }
    let mut places: Vec<i32> = ends.iter().map(|((_, y), _)| *y).collect();
    for i in 1..places.len() {
        places[i] = places[i].max(places[i - 1] + GAP);
    }
    let mut limit = height - GAP / 2;
    for place in places.iter_mut().rev() {
        *place = (*place).min(limit);
        limit = *place - GAP;
    }
    for (((x, y), name), place) in ends.into_iter().zip(places) {
        if x <= width {
            line(area, &[(x + 4, y), (width + 12, place)], GRID, 1)?;
        }
        write_name(area, name, (width + 15, place), HPos::Left)?;
    }
    Ok(())
}

/// A name as everywhere in the document: with the mark of those that have another contract.
fn write_name(area: &Area, name: &str, at: (i32, i32), side: HPos) -> Made {
    let weight = if name == "admit" { FontStyle::Bold } else { FontStyle::Normal };
    let shown = if UNBOUNDED.contains(&name) { format!("{name} †") } else { name.to_string() };
    let font = ("sans-serif", TEXT).into_font().style(weight);
    let style = font.color(&name_colour(name)).pos(Pos::new(side, VPos::Center));
    Ok(area.draw(&Text::new(shown, at, style))?)
}

/// About how wide a text of [`TEXT`] size gets: fonts differ from viewer to viewer.
fn width_of(text: &str) -> i32 {
    7 * text.chars().count() as i32
}

/// Names are written in the colours of their lines, darkened where these are too light to be read.
fn name_colour(name: &str) -> RGBColor {
    let RGBColor(r, g, b) = colour(name);
    let light = 0.3 * f64::from(r) + 0.59 * f64::from(g) + 0.11 * f64::from(b);
    let factor = (115.0 / light).min(1.0);
    RGBColor((f64::from(r) * factor) as u8, (f64::from(g) * factor) as u8, (f64::from(b) * factor) as u8)
}

/// A level line has the hue of its curve, paler.
fn level(name: &str) -> RGBColor {
    if name == "ideal" {
        return RED;
    }
    let RGBColor(r, g, b) = colour(name);
    let paler = |part: u8| part / 2 + 127;
    RGBColor(paler(r), paler(g), paler(b))
}

fn line(area: &Area, points: &[(i32, i32)], colour: RGBColor, width: u32) -> Made {
    Ok(area.draw(&PathElement::new(points.to_vec(), colour.stroke_width(width)))?)
}

fn write(area: &Area, text: &str, at: (i32, i32), size: i32, side: HPos, colour: RGBColor) -> Made {
    let style = ("sans-serif", size).into_font().color(&colour).pos(Pos::new(side, VPos::Center));
    Ok(area.draw(&Text::new(text.to_string(), at, style))?)
}

/// Text that hides the lines under it.
fn write_over(area: &Area, text: &str, (x, y): (i32, i32), colour: RGBColor) -> Made {
    area.draw(&Rectangle::new([(x - 1, y - 6), (x + width_of(text), y + 6)], WHITE.filled()))?;
    write(area, text, (x, y), TEXT, HPos::Left, colour)
}

/// A white page with a heading. Nothing in it depends on anything but the lines, so neither do its bytes.
fn picture(title: &str, height: i32, draw: impl FnOnce(&Area) -> Made) -> Made<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height as u32)).into_drawing_area();
        root.fill(&WHITE)?;
        write(&root, title, (10, 14), HEADING, HPos::Left, INK)?;
        draw(&root)?;
        root.present()?;
    }
    // `plotters` draws a dashed line dash by dash. A colour that is used for dashed lines alone needs no more than
    // an attribute.
    for name in UNBOUNDED {
        let RGBColor(r, g, b) = colour(name);
        let stroke = format!("stroke=\"#{r:02X}{g:02X}{b:02X}\"");
        svg = svg.replace(&stroke, &format!("{stroke} stroke-dasharray=\"5 3\""));
    }
    Ok(svg)
}
