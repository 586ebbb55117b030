//! `syntrace serve` as its clients see it: real psql and real psycopg, where they are installed.

mod clients;
mod matrix;
mod safety;
mod several;

use crate::common::{Finish, PROCESS_LIMIT};
use crate::query::study;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server; ended when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    /// What it said on stderr until clients could connect.
    pub said: Vec<String>,
}

impl Server {
    /// Serves a study on a free port of this machine.
    pub fn of(study: &std::path::Path, more: &[&str]) -> Self {
        Self::started(command(study, &[&["--port", "0"], more].concat()))
    }

    pub fn started(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("the tool starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut said = Vec::new();
        let mut port = None;
        while let Some(Ok(line)) = lines.next() {
            let address = line.split_whitespace().find_map(|word| word.trim_end_matches(',').parse().ok());
            port = port.or(address.map(|address: std::net::SocketAddr| address.port()));
            let is_last = line.starts_with("psql ");
            said.push(line);
            if is_last {
                break;
            }
        }
        let port = port.unwrap_or_else(|| panic!("no address in {said:?}"));
        // Later lines must not block the server.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, port, said }
    }

    pub fn url(&self) -> String {
        format!("host=127.0.0.1 port={} dbname=study user=reader", self.port)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; gives the exit code.
    pub fn wait(&mut self) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it ran") {
                return status.code();
            }
            assert!(started.elapsed() < PROCESS_LIMIT, "the server goes on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn command(study: &std::path::Path, more: &[&str]) -> Command {
    let mut command = crate::common::syntrace();
    command.arg("serve").arg(study).args(more).env_remove("SYNTRACE_PASSWORD").stdin(Stdio::null());
    command
}

/// Runs psql; gives exit code, stdout, stderr. `None` where there is no psql, with a line that says so.
pub fn psql(connection: &str, arguments: &[&str], test: &str) -> Option<(i32, String, String)> {
    let mut command = Command::new("psql");
    command.args(["-X", "-d", connection]).args(arguments).env_remove("PGPASSWORD").env("PGCONNECT_TIMEOUT", "10");
    let output = match command.finish() {
        Ok(output) => output,
        Err(_) => {
            crate::common::skip("psql", format_args!("{test}: no psql here"));
            return None;
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn a_server_says_where_it_is_and_stops_on_ctrl_c() {
    let study = study::small();
    let mut server = Server::of(&study.path, &[]);
    assert!(server.said[0].contains(&format!("127.0.0.1:{}", server.port)), "{:?}", server.said);
    assert!(server.said[1].contains("there is no password"), "{:?}", server.said);
    assert!(server.said[2].starts_with("psql \"host=127.0.0.1 port="), "{:?}", server.said);
    let asked = Command::new("kill").args(["-INT", &server.id().to_string()]).status().unwrap();
    assert!(asked.success());
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_taken_port_is_an_error_when_asked_for() {
    let study = study::small();
    let taken = std::net::TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command(&study.path, &["--port", &port]).finish().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("cannot listen on 127.0.0.1") && message.contains("--port"), "{message}");
}

#[test]
fn what_is_no_postgresql_client_harms_nobody() {
    use std::io::Write;
    let study = study::small();
    let server = Server::of(&study.path, &[]);
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(),
        &[0; 64],
        &[0xFF; 4096],
        // A startup message that claims 2 GiB.
        &[0x7F, 0xFF, 0xFF, 0xFF, 0, 3, 0, 0],
        // Simple query before the startup message.
        b"Q\0\0\0\x0dSELECT 1\0",
    ] {
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        socket.write_all(bytes).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let mut answer = [0; 64];
        let _ = socket.read(&mut answer);
    }
    let Some(found) = psql(&server.url(), &["-At", "-c", "SELECT 1"], "what_is_no_postgresql_client") else { return };
    assert_eq!((found.0, found.1.as_str()), (0, "1\n"), "{}", found.2);
}
