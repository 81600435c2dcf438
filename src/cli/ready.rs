//! `sidegate ready`, for health checks where there is no shell and no `curl`.

use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::time::Duration;

use super::Failure;
use crate::fault::CommandFault;

/// Whom to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The gateway's admin listener
    #[arg(value_name = "ADDR", default_value = "127.0.0.1:9901")]
    admin: SocketAddr,
}

/// Asks a gateway on this machine whether it is ready.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let admin = options.admin;
    let head = ask(admin).map_err(|error| {
        let said = format!("{admin} does not answer: {error}");
        Failure::of(CommandFault::NotReady, said)
    })?;
    if head.starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    let said = format!("{admin} is not ready");
    Err(Failure::of(CommandFault::NotReady, said))
}

/// The first bytes of the answer: its status is among them.
fn ask(admin: SocketAddr) -> std::io::Result<[u8; 13]> {
    let mut line = TcpStream::connect_timeout(&admin, PATIENCE)?;
    line.set_read_timeout(Some(PATIENCE))?;
    line.set_write_timeout(Some(PATIENCE))?;
    write!(
        line,
        "GET /readyz HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n"
    )?;
    let mut head = [0; 13];
    line.read_exact(&mut head)?;
    Ok(head)
}

/// For each step; orchestrators give up after three seconds or more.
const PATIENCE: Duration = Duration::from_secs(1);
