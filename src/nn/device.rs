//! Where tensors live and how many threads work on them.

use crate::error::{Error, Result};
use tch::Device;

/// Reads a device from its name in a spec: `cpu`, `cuda` or `cuda:INDEX`.
pub fn device(name: &str) -> Result<Device> {
    let index = match name {
        "cpu" => return Ok(Device::Cpu),
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").and_then(|index| index.parse::<usize>().ok()),
    };
    let Some(index) = index else {
        return Err(Error::user(format!("device must be `cpu`, `cuda` or `cuda:INDEX`, found `{name}`")));
    };
    let count = tch::Cuda::device_count();
    if (index as i64) < count {
        Ok(Device::Cuda(index))
    } else {
        Err(Error::user(format!("device `{name}` is not here: {count} CUDA devices found"))
            .hint("use `cpu`, or a libtorch that was built with CUDA"))
    }
}

/// Sets the number of threads that tensor operations called from this thread use. Cohorts run with
/// one thread each, side by side: results then do not depend on the machine's number of cores.
pub fn use_threads(threads: u32) {
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(1));
}

/// Multiplies a square matrix with itself some times; returns the floating-point operations of that.
/// For whoever has a clock.
pub fn multiply_squares(width: i64, rounds: u32) -> f64 {
    let side = tch::Tensor::ones([width, width], (tch::Kind::Float, Device::Cpu));
    for _ in 0..rounds {
        let _ = side.matmul(&side);
    }
    2.0 * (width as f64).powi(3) * f64::from(rounds)
}
