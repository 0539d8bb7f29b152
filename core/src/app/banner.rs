//! The start page: what a person needs next. Printed once to a terminal; logs are for machines. The password of the first
//! administrator is on it, or on standard error where no page is shown: somebody must get it.
use std::io::{IsTerminal, Write};

use super::{Server, first};
use crate::{identity::accounts::Secret, net::own_address};

/// Prints it if somebody is looking.
pub fn print(server: &Server, password: Option<&Secret>) {
    let mut out = std::io::stdout();
    let admin = password.map(first::words).unwrap_or_default();
    if out.is_terminal() {
        let _ = out.write_all(page(server, &admin).as_bytes());
    } else if !admin.is_empty() {
        let _ = std::io::stderr().write_all(format!("\n{admin}\n").as_bytes());
    }
}

fn page(server: &Server, admin: &str) -> String {
    let config = server.config();
    let host = match config.server.public_host.as_str() {
        "" => own_address().map_or_else(|| "localhost".to_owned(), |a| a.to_string()),
        host => host.to_owned(),
    };
    let mut page = format!("\n  fts {} is ready.\n\n  Connect clients to {host}:\n", env!("CARGO_PKG_VERSION"));
    for listener in server.listeners.iter().filter(|l| l.name != "admin") {
        let safe = if listener.tls {
            "TLS, with a certificate of this server"
        } else {
            "NOT ENCRYPTED: anybody who reaches it may read and send"
        };
        page += &format!(
            "    {:<10} {:>5}/{:<4} {safe}\n",
            listener.name,
            listener.address.port(),
            if listener.kind == "udp" { "udp" } else { "tcp" }
        );
    }
    if config.server.public_host.is_empty() {
        page += "\n  The address was guessed. Set server.public_host to the name or address clients use (fts init asks for it).\n";
    }
    if let Some(authority) = server.authority.load().as_ref() {
        page += &format!("\n  CA fingerprint (SHA-256): {}\n", authority.fingerprint());
    }
    page += &format!("  Data directory:           {}\n", config.server.data_dir.display());
    if !admin.is_empty() {
        page += &format!("\n{admin}");
    }
    page += "\n  Next: fts client add alice    a package for a phone or desktop, checked by connecting with it\n        fts status              who is connected, what was routed\n        fts why --event UID     who got an event and who did not, and why\n\n";
    page
}
