//! The secret of a process, and which requests have it.

use axum::http::{HeaderMap, header};
use syntrace_base::base::{Digest, Seed};
use syntrace_base::error::Result;

/// Parameter that has the secret in the first address.
pub(crate) const TOKEN: &str = "token";

/// Digits of the secret: 128 bits.
const TOKEN_DIGITS: usize = 32;

/// The secret of a process, and where it listens.
pub(crate) struct Access {
    port: u16,
    token: String,
}

impl Access {
    /// Draws a secret.
    pub fn new(port: u16) -> Result<Self> {
        let token = Digest(Seed::from_system()?.to_bytes()).hex().chars().take(TOKEN_DIGITS).collect();
        Ok(Self { port, token })
    }

    /// The address to open first.
    pub fn first_url(&self) -> String {
        format!("http://127.0.0.1:{}/?{TOKEN}={}", self.port, self.token)
    }

    /// The secret as a cookie, which no script and no other origin gets.
    pub fn cookie(&self) -> String {
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name(), self.token)
    }

    /// Cookies know no ports: with it in the name, two studies stay apart.
    fn cookie_name(&self) -> String {
        format!("syntrace-{}", self.port)
    }

    /// Is `Host` this server and nothing else?
    pub fn is_own_host(&self, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
        ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{}", self.port))
    }

    /// Compares digests, so that the time tells nothing of the secret.
    pub fn is_token(&self, given: &str) -> bool {
        Digest::of(given.as_bytes()) == Digest::of(self.token.as_bytes())
    }

    /// Has a request the secret as a cookie?
    pub fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let name = self.cookie_name();
        let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(key, value)| key == name && self.is_token(value))
    }
}
