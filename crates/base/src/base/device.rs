//! Compute devices for tensors, by name.

use crate::error::{Error, Result};
use std::fmt;

/// Where networks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The CUDA device of this number.
    Cuda(u32),
}

/// The requested device, before it is resolved to one that is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device where there is one, else the processor.
    Auto,
    /// This one and no other.
    Only(Device),
}

impl Device {
    /// Its name behind a program's version: empty for the processor.
    pub fn suffix(self) -> String {
        match self {
            Self::Cpu => String::new(),
            Self::Cuda(_) => format!(" {self}"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
        }
    }
}

impl DeviceChoice {
    /// Reads `cpu`, `cuda` (the first one), `cuda:N` or `auto`.
    pub fn from_name(name: &str) -> Result<Self> {
        let index = match name {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Only(Device::Cpu)),
            "cuda" => Some(0),
            _ => name.strip_prefix("cuda:").and_then(|index| index.parse().ok()),
        };
        index.map(|index| Self::Only(Device::Cuda(index))).ok_or_else(|| {
            Error::user(format!("device must be `cpu`, `cuda`, `cuda:N` or `auto`, found `{name}`"))
                .hint("N is the number of a CUDA device, from 0")
        })
    }

    /// Can it become a CUDA device?
    pub fn may_be_cuda(self) -> bool {
        self != Self::Only(Device::Cpu)
    }

    /// The device among those that are here.
    ///
    /// # Errors
    /// A CUDA device that is not here; never the processor instead.
    pub fn among(self, cuda_devices: u32) -> Result<Device> {
        match self {
            Self::Auto if cuda_devices > 0 => Ok(Device::Cuda(0)),
            Self::Auto => Ok(Device::Cpu),
            Self::Only(Device::Cuda(index)) if index >= cuda_devices => {
                let found = match cuda_devices {
                    0 => "no CUDA device".to_owned(),
                    1 => "one CUDA device, `cuda:0`".to_owned(),
                    count => format!("{count} CUDA devices, `cuda:0` to `cuda:{}`", count - 1),
                };
                Err(Error::user(format!("device `cuda:{index}` is not available: {found} found")))
            }
            Self::Only(device) => Ok(device),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_are_written_as_they_are_read() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(3)] {
            assert_eq!(DeviceChoice::from_name(&device.to_string()).unwrap(), DeviceChoice::Only(device));
        }
        assert_eq!(DeviceChoice::from_name("cuda").unwrap(), DeviceChoice::Only(Device::Cuda(0)));
        assert_eq!(DeviceChoice::from_name("auto").unwrap(), DeviceChoice::Auto);
        for wrong in ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda 0", "cpu:0"] {
            let error = DeviceChoice::from_name(wrong).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(&format!("found `{wrong}`")), "{error}");
        }
    }

    #[test]
    fn auto_takes_what_is_here_and_a_name_takes_nothing_else() {
        assert_eq!(DeviceChoice::Auto.among(0).unwrap(), Device::Cpu);
        assert_eq!(DeviceChoice::Auto.among(2).unwrap(), Device::Cuda(0));
        assert_eq!(DeviceChoice::Only(Device::Cpu).among(2).unwrap(), Device::Cpu);
        assert_eq!(DeviceChoice::Only(Device::Cuda(1)).among(2).unwrap(), Device::Cuda(1));
        for (here, found) in [(0, "no CUDA device found"), (1, "`cuda:0` found"), (2, "`cuda:0` to `cuda:1` found")] {
            let error = DeviceChoice::Only(Device::Cuda(2)).among(here).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(found), "{error}");
        }
    }

    #[test]
    fn the_processor_adds_nothing_to_a_programs_name() {
        assert_eq!((Device::Cpu.suffix(), Device::Cuda(1).suffix()), (String::new(), " cuda:1".to_owned()));
    }
}
