//! Utility of synthetic traffic as training data for downstream models (paper section 4.2).
//!
//! A downstream model is trained on synthetic traces and tested on real ones that no model was trained on; the same
//! model trained on real traces is the upper baseline, a trivial predictor the lower one.
//!
//! Invariants: pure functions of traces and a seed; test traces never enter training; a model without
//! anything to learn from or to test on has no value (NULL), never a 0.

mod augment;
mod classify;
mod measure;
mod next_length;

#[cfg(feature = "torch")]
mod forecast;
#[cfg(feature = "torch")]
mod nbeats;

pub use augment::{AugmentClass, AugmentOptions, augment};
pub use classify::{ClassTraces, Classified, classify, guess_majority};
pub use measure::{ImportanceRow, Task, TrainedOn, UtilityMetric, UtilityRow};
pub use next_length::{
    TEST_TRACES, WINDOW, Windows, error_rows, guess_last_value, mean_absolute_errors, test_windows, windows,
};

#[cfg(feature = "torch")]
pub use forecast::{ForecastOptions, Forecasters, Series, forecast_rows, train_forecasters};
#[cfg(feature = "torch")]
pub use nbeats::{Loss, Nbeats, NbeatsShape};
