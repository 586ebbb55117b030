//! How each operating system's network stack fills its headers.

/// A network stack, of a client or of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum System {
    /// Windows 10 and 11, Windows Server and Azure front ends.
    Windows,
    /// Ubuntu, Raspberry Pi OS and most servers.
    #[default]
    Linux,
    /// macOS.
    Mac,
    /// Google front ends.
    Google,
    /// Cloudflare's edge.
    Cloudflare,
    /// FreeBSD.
    FreeBsd,
    /// Android phones: a Linux kernel with settings of its own.
    Android,
    /// Windows 7 Embedded, as in conference rooms.
    Windows7,
}

impl System {
    pub(super) fn is_windows(self) -> bool {
        matches!(self, Self::Windows | Self::Windows7)
    }

    /// Does it run the Linux kernel? Servers of other names are not asked.
    pub(super) fn is_linux(self) -> bool {
        matches!(self, Self::Linux | Self::Android)
    }

    pub(super) fn initial_hop_limit(self) -> u8 {
        match self {
            Self::Windows | Self::Google | Self::Windows7 => 128,
            Self::Linux | Self::Mac | Self::Cloudflare | Self::FreeBsd | Self::Android => 64,
        }
    }

    pub(super) fn window_scale(self) -> u8 {
        match self {
            Self::Windows | Self::Google => 8,
            Self::Linux => 7,
            Self::Mac | Self::FreeBsd => 6,
            Self::Cloudflare => 13,
            Self::Android => 9,
            Self::Windows7 => 2,
        }
    }

    /// Window of the SYN or SYN-ACK, unscaled.
    pub(super) fn syn_window(self) -> u16 {
        match self {
            Self::Linux => 64_240,
            Self::Windows7 => 8_192,
            _ => 65_535,
        }
    }

    /// Receive window in bytes once established.
    pub(super) fn open_window_bytes(self) -> u32 {
        match self {
            Self::Windows => 262_656,
            Self::Linux => 64_256,
            Self::Mac => 131_712,
            Self::Google => 267_264,
            Self::Cloudflare => 73_728,
            Self::FreeBsd => 65_728,
            Self::Android => 88_064,
            Self::Windows7 => 65_700,
        }
    }

    /// Whether this system offers TCP timestamps (RFC 7323) as a client.
    pub(super) fn offers_timestamps(self) -> bool {
        !self.is_windows()
    }

    /// First and one past the last ephemeral port.
    pub(super) fn ephemeral_ports(self) -> (u16, u16) {
        match self {
            Self::Linux | Self::Android => (32_768, 60_999),
            _ => (49_152, 65_535),
        }
    }

    /// TCP options of a SYN or SYN-ACK, in the order of this system, padded to 4 bytes.
    pub(super) fn syn_options(self, mss: u16, timestamps: Option<(u32, u32)>) -> Vec<u8> {
        let mut options = vec![2, 4, (mss >> 8) as u8, mss as u8];
        let scale = [3, 3, self.window_scale()];
        match (self, timestamps) {
            (Self::Mac, Some(stamps)) => {
                options.push(1);
                options.extend(scale);
                options.extend([1, 1]);
                options.extend(timestamp_option(stamps));
                options.extend([4, 2, 0, 0]);
            }
            (Self::FreeBsd, Some(stamps)) => {
                options.push(1);
                options.extend(scale);
                options.extend([4, 2]);
                options.extend(timestamp_option(stamps));
            }
            (_, Some(stamps)) => {
                options.extend([4, 2]);
                options.extend(timestamp_option(stamps));
                options.push(1);
                options.extend(scale);
            }
            (Self::Windows | Self::Windows7, None) => {
                options.push(1);
                options.extend(scale);
                options.extend([1, 1, 4, 2]);
            }
            (_, None) => {
                options.extend([1, 1, 4, 2, 1]);
                options.extend(scale);
            }
        }
        options
    }
}

/// The 10 bytes of the timestamp option: (own clock, peer's clock).
pub(in crate::simulate) fn timestamp_option((value, echo): (u32, u32)) -> Vec<u8> {
    let mut option = vec![8, 10];
    option.extend(value.to_be_bytes());
    option.extend(echo.to_be_bytes());
    option
}
