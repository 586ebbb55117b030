//! `syntrace serve`

use clap::Args;
use std::path::PathBuf;

/// Let psql, pandas, Grafana and DBeaver ask the study, over PostgreSQL's protocol
///
/// Read-only, and works while a run is writing: each statement sees the newest finished job. Named queries are
/// views in the schema `queries`, and functions with their parameters. Ends with Ctrl-C. Several studies are asked together,
/// as with `syntrace sql`.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The study file
    study: PathBuf,
    /// Further studies, to be asked together with the first
    #[arg(value_name = "STUDY")]
    others: Vec<PathBuf>,
    /// Port; 5432 by default, or any free one where that is taken
    #[arg(long)]
    port: Option<u16>,
    /// Address to listen on; one that other machines reach needs a password
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// File whose first line is the password; or set SYNTRACE_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Certificate chain in PEM: connections have to use TLS then
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Memory that the queries of all clients together may hold before they spill to disk, MiB
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    memory: usize,
    /// Threads; all cores by default
    #[arg(long)]
    threads: Option<usize>,
}

/// Without the feature `serve`: says so.
#[cfg(not(feature = "serve"))]
pub(super) fn serve(_args: &ServeArgs) -> crate::error::Result<std::process::ExitCode> {
    Err(crate::error::Error::left_out("server", "serve"))
}

#[cfg(feature = "serve")]
pub(super) use listen::serve;

#[cfg(feature = "serve")]
mod listen {
    use super::ServeArgs;
    use crate::base::thread_count;
    use crate::cli::CACHE_BYTES;
    use crate::error::{Error, Result, io_error};
    use crate::query::{SessionOptions, study_names};
    use crate::serve::{ServeOptions, serve as serve_study};
    use crate::store::Store;
    use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
    use std::path::{Path, PathBuf};
    use std::process::ExitCode;

    /// Where the password may be, besides a file.
    const PASSWORD_VARIABLE: &str = "SYNTRACE_PASSWORD";

    pub(in crate::cli) fn serve(args: &ServeArgs) -> Result<ExitCode> {
        let host = address(&args.host)?;
        let password = password(args.password_file.as_deref())?;
        let has_password = password.is_some();
        let tls = args.tls_cert.clone().zip(args.tls_key.clone());
        let has_tls = tls.is_some();
        let paths: Vec<&Path> = std::iter::once(&args.study).chain(&args.others).map(PathBuf::as_path).collect();
        let names = study_names(&paths)?;
        let opened = |(name, path): (&String, &&Path)| Ok((name.clone(), Store::open(path, CACHE_BYTES)?));
        let studies = names.iter().zip(&paths).map(opened).collect::<Result<Vec<_>>>()?;
        let threads = args.threads.unwrap_or_else(thread_count).max(1);
        let session = SessionOptions { memory_bytes: args.memory.max(1) << 20, threads };
        let options = ServeOptions { host, port: args.port, password, tls, session };
        let shown: Vec<String> = match paths.as_slice() {
            [one] => vec![one.display().to_string()],
            several => names.iter().zip(several).map(|(name, path)| format!("{} as {name}", path.display())).collect(),
        };
        serve_study(studies, options, |address| announce(&shown.join(", "), address, has_password, has_tls))?;
        note!("stopped");
        Ok(ExitCode::SUCCESS)
    }

    fn announce(studies: &str, address: SocketAddr, has_password: bool, has_tls: bool) {
        note!("serving {studies} on {address}, read-only; Ctrl-C ends it");
        if !has_password {
            note!("note: there is no password: every user of this machine can read the study");
        } else if !has_tls && !address.ip().is_loopback() {
            note!("note: there is no TLS: the password is safe, what is read can be overheard");
        }
        // The last line, ready to be pasted.
        let mode = if has_tls { " sslmode=require" } else { "" };
        let host = if address.ip().is_unspecified() { "127.0.0.1".to_owned() } else { address.ip().to_string() };
        note!("psql \"host={host} port={} dbname=study user=reader{mode}\"", address.port());
    }

    fn address(host: &str) -> Result<IpAddr> {
        if let Ok(address) = host.parse() {
            return Ok(address);
        }
        let found = (host, 0).to_socket_addrs().ok().and_then(|mut found| found.next());
        found.map(|found| found.ip()).ok_or_else(|| {
            Error::user(format!("expected an address of this machine after --host, found `{host}`"))
                .hint("127.0.0.1 for this machine alone, 0.0.0.0 for every network it is in")
        })
    }

    /// The password from a file that nobody else can read, or from the environment; never from arguments,
    /// which every user of the machine can list.
    fn password(file: Option<&Path>) -> Result<Option<String>> {
        use std::os::unix::fs::PermissionsExt;
        let given = match file {
            Some(path) => {
                let metadata = std::fs::metadata(path).map_err(|error| io_error("read", path, &error))?;
                let mode = metadata.permissions().mode() & 0o777;
                if metadata.is_file() && mode & 0o077 != 0 {
                    let place = path.display();
                    return Err(Error::user(format!(
                        "the password file must not be readable by others (mode 600), `{place}` has mode {mode:o}"
                    ))
                    .hint(format!("chmod 600 {place}")));
                }
                let text = std::fs::read_to_string(path).map_err(|error| io_error("read", path, &error))?;
                Some((text.lines().next().unwrap_or_default().to_owned(), format!("`{}`", path.display())))
            }
            None => match std::env::var(PASSWORD_VARIABLE) {
                Ok(text) => Some((text, PASSWORD_VARIABLE.to_owned())),
                Err(std::env::VarError::NotPresent) => None,
                Err(error) => return Err(Error::user(format!("{PASSWORD_VARIABLE}: {error}"))),
            },
        };
        match given {
            Some((text, place)) if text.is_empty() => {
                Err(Error::user(format!("expected a password in {place}, found none")))
            }
            given => Ok(given.map(|(text, _)| text)),
        }
    }
}
