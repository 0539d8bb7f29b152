//! Names and addresses the server's certificate got at run time (`fts package create --host`, `fts client add --host`), one a
//! line in `server.hosts` beside it. They come on top of `server.public_host` and `server.public_names`, survive every
//! renewal, and are taken back by taking the line out.
use super::CertError;
use crate::{config::Tls, identity::files};

fn path(tls: &Tls) -> std::path::PathBuf {
    tls.dir.join("server.hosts")
}

/// All of them; lines that begin with # are for people.
pub(super) fn read(tls: &Tls) -> Vec<String> {
    let text = std::fs::read_to_string(path(tls)).unwrap_or_default();
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// Another one; it stands in the certificate once that is made anew.
///
/// # Errors
/// The file cannot be written.
pub fn add(tls: &Tls, host: &str) -> Result<(), CertError> {
    // Two at once would each write what it had read.
    static ONE: parking_lot::Mutex<()> = parking_lot::Mutex::new(());
    let _one = ONE.lock();
    let mut all = read(tls);
    if all.iter().any(|known| known == host) {
        return Ok(());
    }
    all.push(host.to_owned());
    let text = format!("# Further names in the server's certificate, added by fts --host.\n{}\n", all.join("\n"));
    files::write(&path(tls), text.as_bytes(), files::PUBLIC)
}
