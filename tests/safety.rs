//! A year of work in one file: what kills, failing disks, flipped bits, truncation and hostile content
//! do to a study. Nothing here may panic, lose a finished job or go unnoticed.

mod content;
mod damage;
mod faults;
mod flips;
mod formats;
mod kills;
mod locks;
mod memory;
mod mutations;
mod paths;
