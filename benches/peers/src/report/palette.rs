//! One colour for each pool, the same in every picture, and the order of the pools in every table.

use plotters::style::RGBColor;

const fn rgb(hex: u32) -> RGBColor {
    RGBColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// An unbounded queue has the hue of the same pool behind a semaphore, but lighter.
const POOLS: [(&str, RGBColor); 20] = [
    ("admit", rgb(0x0b4fd6)),
    ("admit, no spinning", rgb(0x6fa0f5)),
    ("mutex", rgb(0x333333)),
    ("kanal", rgb(0xc44e52)),
    ("flume", rgb(0xb07d3c)),
    ("crossbeam", rgb(0x5b9a57)),
    ("sync_channel", rgb(0xa89a2e)),
    ("threadfin", rgb(0xe08a3c)),
    ("threadpool + semaphore", rgb(0x4a9c9c)),
    ("rayon + semaphore", rgb(0xb5638f)),
    ("rusty_pool + semaphore", rgb(0x8c6d5a)),
    ("tokio + semaphore", rgb(0x8172b3)),
    ("thread per task + semaphore", rgb(0x8a8f98)),
    ("threadpool", rgb(0x9fd3d3)),
    ("rayon", rgb(0xe3b3cd)),
    ("rusty_pool", rgb(0xcdb8aa)),
    ("tokio", rgb(0xc3bade)),
    // The curve that chose the policy has a line for each setting.
    ("free", rgb(0x0b4fd6)),
    ("pinned", rgb(0x4c9f70)),
    ("busy", rgb(0xd9772b)),
];

/// Pools that never block a submitter.
pub const UNBOUNDED: [&str; 4] = ["threadpool", "rayon", "rusty_pool", "tokio"];

pub const OTHER: RGBColor = rgb(0x9aa0a6);

pub fn colour(name: &str) -> RGBColor {
    POOLS.iter().find(|(pool, _)| *pool == name).map_or(OTHER, |(_, colour)| *colour)
}

pub fn rank(name: &str) -> usize {
    POOLS.iter().position(|(pool, _)| *pool == name).unwrap_or(POOLS.len())
}
