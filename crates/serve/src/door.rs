//! Who may come in: nobody without TLS where there is a certificate, nobody without the password where
//! there is one (SCRAM-SHA-256, bound to the TLS channel where there is one).

use super::encode::refused;
use async_trait::async_trait;
use datafusion_postgres::pgwire::api::auth::sasl::SASLAuthStartupHandler;
use datafusion_postgres::pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramAuth, gen_salted_password};
use datafusion_postgres::pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, StartupHandler, finish_authentication,
    protocol_negotiation, save_startup_parameters_to_metadata,
};
use datafusion_postgres::pgwire::api::{
    ClientInfo, ConnectionManager, PidSecretKeyGenerator, RandomPidSecretKeyGenerator,
};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use futures::Sink;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use syntrace_base::base::Seed;
use syntrace_base::error::{Error, Result, io_error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Version of PostgreSQL whose catalog clients are told to expect.
pub(super) const SERVER_VERSION: &str = "16.6";

/// What every client has to pass.
pub(super) struct Door {
    secret: Option<Arc<Secret>>,
    /// PEM of the certificate, for channel binding.
    certificate: Option<Vec<u8>>,
    pub connections: Arc<ConnectionManager>,
    keys: Arc<RandomPidSecretKeyGenerator>,
}

/// The password as it is compared: salted and hashed, the text is not kept.
struct Secret {
    salt: [u8; 16],
    salted: Vec<u8>,
}

impl Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret")
    }
}

#[async_trait]
impl AuthSource for Secret {
    async fn get_password(&self, _login: &LoginInfo) -> PgWireResult<Password> {
        Ok(Password::new(Some(self.salt.to_vec()), self.salted.clone()))
    }
}

impl Door {
    /// Hashes the password under a fresh salt; reads the certificate.
    pub fn new(password: Option<&str>, certificate: Option<&PathBuf>) -> Result<Self> {
        let secret = match password {
            Some(password) => {
                let salt: [u8; 16] = std::array::from_fn({
                    let bytes = Seed::from_system()?.to_bytes();
                    move |at| bytes[at]
                });
                Some(Arc::new(Secret { salt, salted: gen_salted_password(password, &salt, SCRAM_ITERATIONS) }))
            }
            None => None,
        };
        let read = |path: &PathBuf| std::fs::read(path).map_err(|error| io_error("read", path, &error));
        let door = Self {
            secret,
            certificate: certificate.map(read).transpose()?,
            connections: Arc::new(ConnectionManager::new()),
            keys: Arc::new(RandomPidSecretKeyGenerator::default()),
        };
        // Says at the start what every client would be told.
        door.scram().map_err(|error| {
            let place = certificate.map_or(Path::new(""), PathBuf::as_path).display().to_string();
            Error::user(format!("the certificate `{place}` cannot be bound to passwords: {error}"))
                .hint("use one that is signed with RSA or ECDSA and SHA-2")
        })?;
        Ok(door)
    }

    fn scram(&self) -> PgWireResult<Option<SASLAuthStartupHandler<DefaultServerParameterProvider>>> {
        let Some(secret) = &self.secret else { return Ok(None) };
        let source: Arc<dyn AuthSource> = Arc::<Secret>::clone(secret);
        let mut scram = ScramAuth::new(source);
        if let Some(certificate) = &self.certificate {
            scram.configure_certificate(certificate)?;
        }
        let keys: Arc<dyn PidSecretKeyGenerator> = Arc::<RandomPidSecretKeyGenerator>::clone(&self.keys);
        Ok(Some(
            SASLAuthStartupHandler::new(Arc::new(server_parameters()))
                .with_scram(scram)
                .with_pid_secret_key_generator(keys)
                .with_connection_manager(Arc::clone(&self.connections)),
        ))
    }

    /// The handshake of one client.
    pub fn handshake(&self) -> Handshake {
        Handshake {
            scram: self.scram(),
            needs_tls: self.certificate.is_some(),
            connections: Arc::clone(&self.connections),
            keys: Arc::clone(&self.keys),
        }
    }
}

fn server_parameters() -> DefaultServerParameterProvider {
    let mut parameters = DefaultServerParameterProvider::default();
    parameters.server_version = format!("{SERVER_VERSION} (syntrace {})", env!("CARGO_PKG_VERSION"));
    parameters.is_superuser = false;
    parameters.default_transaction_read_only = true;
    parameters
}

/// The state of one client before it may ask.
pub(super) struct Handshake {
    scram: PgWireResult<Option<SASLAuthStartupHandler<DefaultServerParameterProvider>>>,
    needs_tls: bool,
    connections: Arc<ConnectionManager>,
    keys: Arc<RandomPidSecretKeyGenerator>,
}

#[async_trait]
impl StartupHandler for Handshake {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if self.needs_tls && !client.is_secure() {
            return Err(refused("28000", "this server takes connections with TLS only", Some("use sslmode=require")));
        }
        match (&self.scram, message) {
            (Err(error), _) => Err(refused("28000", &error.to_string(), None)),
            (Ok(Some(scram)), message) => scram.on_startup(client, message).await,
            (Ok(None), PgWireFrontendMessage::Startup(startup)) => {
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                let (process, secret) = self.keys.generate(client);
                let (handle, guard) = self.connections.register(process, secret.clone());
                client.set_pid_and_secret_key(process, secret);
                client.session_extensions().insert(handle);
                client.session_extensions().insert(guard);
                finish_authentication(client, &server_parameters()).await
            }
            (Ok(None), _) => Err(refused("08P01", "expected the startup message of a client", None)),
        }
    }
}

/// Codes in the place of a protocol version: a client asks for encryption first.
const ENCRYPTION_REQUESTS: [u32; 2] = [80_877_103, 80_877_104];

/// Bytes of a first message; PostgreSQL's own limit.
const STARTUP_BYTES_MAX: u32 = 10_000;

/// Tells a client that there is no place for it.
pub(super) async fn turn_away(mut socket: TcpStream, clients_max: usize) -> std::io::Result<()> {
    loop {
        let (length, code) = (socket.read_u32().await?, socket.read_u32().await?);
        if ENCRYPTION_REQUESTS.contains(&code) {
            socket.write_all(b"N").await?;
            continue;
        }
        // What is not read would make the system drop what we say.
        let rest = length.min(STARTUP_BYTES_MAX).saturating_sub(8);
        tokio::io::copy(&mut (&mut socket).take(rest.into()), &mut tokio::io::sink()).await?;
        break;
    }
    let mut body = Vec::new();
    let message = format!("{clients_max} clients are connected already, and no more may be");
    for (field, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', "53300"), (b'M', message.as_str())] {
        body.push(field);
        body.extend(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    socket.write_u8(b'E').await?;
    socket.write_u32(body.len() as u32 + 4).await?;
    socket.write_all(&body).await?;
    socket.shutdown().await
}
