//! Where tensors live and how many threads work on them.

use syntrace_base::base::Device;

/// Number of CUDA devices that this process can use: 0 where libtorch's CUDA part is not loaded.
pub fn cuda_devices() -> u32 {
    u32::try_from(tch::Cuda::device_count()).unwrap_or(0)
}

/// libtorch's name of a device.
pub fn placed(device: Device) -> tch::Device {
    match device {
        Device::Cpu => tch::Device::Cpu,
        Device::Cuda(index) => tch::Device::Cuda(index as usize),
    }
}

/// Synchronises with a device: waits until all queued work is done, for time measurements.
pub fn synchronise(device: Device) {
    if let Device::Cuda(index) = device {
        tch::Cuda::synchronize(i64::from(index));
    }
}

/// Sets the number of threads that tensor operations called from this thread use. Cohorts run with
/// one thread each, concurrently: results then do not depend on the machine's number of cores.
pub fn use_threads(threads: u32) {
    tch::set_num_threads(i32::try_from(threads.max(1)).unwrap_or(1));
}

/// Multiplies a square matrix with itself some times; returns the floating-point operations of that.
/// For time measurements.
pub fn multiply_squares(width: i64, rounds: u32, device: Device) -> f64 {
    let side = tch::Tensor::ones([width, width], (tch::Kind::Float, placed(device)));
    for _ in 0..rounds {
        let _ = side.matmul(&side);
    }
    synchronise(device);
    2.0 * (width as f64).powi(3) * f64::from(rounds)
}
