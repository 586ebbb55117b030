//! Authentication: TLS is required if there is a certificate, the password if there is one (SCRAM-SHA-256, with channel
//! binding over TLS).

use async_trait::async_trait;
use futures::Sink;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramAuth, gen_salted_password};
use pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, StartupHandler, finish_authentication,
    protocol_negotiation, save_startup_parameters_to_metadata,
};
use pgwire::api::{
    ClientInfo, ConnectionManager, PgWireConnectionState, PidSecretKeyGenerator, RandomPidSecretKeyGenerator,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use syntrace_base::base::Seed;
use syntrace_base::error::{Error, Result, io_error};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Version of PostgreSQL that is reported to clients, whose catalog they expect.
pub(super) const SERVER_VERSION: &str = "16.6";

/// Most authenticated clients at once; a further one gets an error.
pub(super) const CLIENTS_MAX: usize = 64;

/// Delay of the response to a wrong password, which slows guessing down.
const WRONG_PASSWORD_TIME: Duration = Duration::from_secs(1);

/// A client's permit among [`CLIENTS_MAX`], from its authentication to its end.
#[derive(Default)]
pub(super) struct Admission {
    place: Mutex<Option<OwnedSemaphorePermit>>,
    admitted: Notify,
}

impl Admission {
    /// Ends once the client has authenticated.
    pub async fn admitted(&self) {
        self.admitted.notified().await;
    }

    fn admit(&self, places: &Arc<Semaphore>) -> PgWireResult<()> {
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| no_place())?;
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
        self.admitted.notify_one();
        Ok(())
    }
}

fn no_place() -> PgWireError {
    fatal("53300", &format!("{CLIENTS_MAX} clients are connected already, and no more may be"), None)
}

/// An error that ends the connection.
fn fatal(code: &str, message: &str, hint: Option<&str>) -> PgWireError {
    let mut info = ErrorInfo::new("FATAL".to_owned(), code.to_owned(), message.to_owned());
    info.hint = hint.map(str::to_owned);
    PgWireError::UserError(Box::new(info))
}

/// Authentication settings that apply to every client.
pub(super) struct Authentication {
    secret: Option<Arc<Secret>>,
    /// PEM of the certificate, for channel binding.
    certificate: Option<Vec<u8>>,
    connections: Arc<ConnectionManager>,
    places: Arc<Semaphore>,
    keys: Arc<RandomPidSecretKeyGenerator>,
}

/// The password, salted and hashed for comparison; the text is not kept.
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

impl Authentication {
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
        let made = Self {
            secret,
            certificate: certificate.map(read).transpose()?,
            connections: Arc::new(ConnectionManager::new()),
            places: Arc::new(Semaphore::new(CLIENTS_MAX)),
            keys: Arc::new(RandomPidSecretKeyGenerator::default()),
        };
        // Fails at startup rather than at each login.
        made.scram().map_err(|error| {
            let place = certificate.map_or(Path::new(""), PathBuf::as_path).display().to_string();
            Error::user(format!(
                "cannot compute the tls-server-end-point channel binding of the certificate `{place}`: {error}"
            ))
            .hint("use one that is signed with RSA or ECDSA and SHA-2")
        })?;
        Ok(made)
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
    pub fn handshake(&self, admission: Arc<Admission>) -> Handshake {
        Handshake {
            admission,
            places: Arc::clone(&self.places),
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
    admission: Arc<Admission>,
    places: Arc<Semaphore>,
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
            return Err(fatal("28000", "this server takes connections with TLS only", Some("use sslmode=require")));
        }
        if self.places.available_permits() == 0 {
            return Err(no_place());
        }
        match (&self.scram, message) {
            (Err(error), _) => Err(fatal("28000", &error.to_string(), None)),
            (Ok(Some(scram)), message) => {
                if let Err(error) = scram.on_startup(client, message).await {
                    tokio::time::sleep(WRONG_PASSWORD_TIME).await;
                    return Err(error);
                }
                match client.state() {
                    PgWireConnectionState::ReadyForQuery => self.admission.admit(&self.places),
                    _ => Ok(()),
                }
            }
            (Ok(None), PgWireFrontendMessage::Startup(startup)) => {
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                let (process, secret) = self.keys.generate(client);
                let (handle, guard) = self.connections.register(process, secret.clone());
                client.set_pid_and_secret_key(process, secret);
                client.session_extensions().insert(handle);
                client.session_extensions().insert(guard);
                self.admission.admit(&self.places)?;
                finish_authentication(client, &server_parameters()).await
            }
            (Ok(None), _) => Err(fatal("08P01", "expected the startup message of a client", None)),
        }
    }
}
