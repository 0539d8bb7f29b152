//! [`make`]: from a user's name to packages that were looked at.
//!
//! Order: names are checked before anything is made; the host is put into the server's certificate if it does not stand
//! there; one certificate is issued for all flavours that hold a key; each package is held to the client's rules and only
//! then kept. A package that would not connect is never handed out.
use std::path::PathBuf;

use rustls::pki_types::UnixTime;

use super::{
    Contents, Flavour, PackageError, Ports, check_host, check_name,
    inspect::inspect,
    keep,
    rules::{self, Verdict},
};
use crate::{
    config::Config,
    http::native::Native,
    identity::{
        audit::Actor,
        ca::{hosts, parse},
        issue_named,
    },
    net::own_address,
};

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// Common name of the certificate, and of the file.
    pub cn: &'a str,
    /// Whose it is.
    pub user: &'a str,
    /// At least one; all share one certificate.
    pub flavours: &'a [Flavour],
    /// What clients connect to; None = [`default_host`].
    pub host: Option<&'a str>,
    /// `cli` or `rest`.
    pub via: &'static str,
}

/// What was made.
pub struct Made {
    /// What clients connect to.
    pub host: String,
    /// Port of the stream.
    pub port: u16,
    /// The host was put into the server's certificate for this.
    pub named: bool,
    /// Serial and end (ms UTC) of the certificate, if one was needed.
    pub certificate: Option<(String, i64)>,
    /// In the order of the wish.
    pub packages: Vec<Package>,
}

/// One package.
pub struct Package {
    /// For which client.
    pub flavour: Flavour,
    /// Where it is kept.
    pub path: PathBuf,
    /// It itself.
    pub bytes: Vec<u8>,
}

/// `server.public_host`, else the first address of this machine others can reach.
pub fn default_host(config: &Config) -> String {
    match config.server.public_host.as_str() {
        "" => own_address().map_or_else(|| "127.0.0.1".to_owned(), |a| a.to_string()),
        host => host.to_owned(),
    }
}

/// Ports clients connect to: where the listeners really are, without a server where they will be. 0 = switched off.
///
/// # Errors
/// There is no stream with TLS, or nobody knows its port yet.
pub fn ports(native: &Native) -> Result<Ports, PackageError> {
    let config = native.config();
    let all = &config.listeners;
    let real = |name: &str| native.bound.get()?.iter().find(|(n, _)| n == name).map(|(_, at)| at.port());
    let port = |name: &str, enabled: bool, port: u16| if enabled { real(name).unwrap_or(port) } else { 0 };
    let stream = &all.cot_tls;
    let ports = Ports {
        stream: port(&stream.name, stream.enabled, stream.port),
        https: port(&all.marti_https.name, all.marti_https.enabled, all.marti_https.port),
        http: port(&all.marti_http.name, all.marti_http.enabled, all.marti_http.port),
        enrollment: port(&all.enrollment.name, all.enrollment.enabled, all.enrollment.port),
    };
    match (stream.enabled, ports.stream) {
        (false, _) => {
            Err(PackageError::NoListener("listeners.cot_tls is switched off: clients have nothing to connect to"))
        }
        (true, 0) => {
            Err(PackageError::NoListener("listeners.cot_tls.port is 0: start the server first, then its port is known"))
        }
        _ => Ok(ports),
    }
}

/// Makes them.
///
/// # Errors
/// [`PackageError`]; what was made before is kept, and its certificate can be revoked.
pub fn make(native: &Native, order: &Order<'_>, by: &Actor) -> Result<Made, PackageError> {
    check_name(order.cn)?;
    let config = native.config();
    let host = order.host.map_or_else(|| default_host(&config), str::to_owned);
    check_host(&host)?;
    let ports = ports(native)?;
    let named = put_in_certificate(native, &host, by)?;
    let (mut keystore, mut certificate) = (Vec::new(), None);
    if order.flavours.iter().any(|f| f.has_key()) {
        let issued = issue_named(native, order.cn, order.user, "", order.via)?;
        certificate = Some((issued.serial_hex, issued.not_after_ms));
        keystore = issued.p12;
    }
    let truststore = native.certificates.authority()?.truststore(&config.packages.password)?;
    let contents = Contents {
        server_id: &config.server.node_id,
        server_name: &config.server.name,
        cn: order.cn,
        host: &host,
        ports,
        truststore: &truststore,
        keystore: &keystore,
        password: &config.packages.password,
    };
    let mut packages = Vec::new();
    for (n, flavour) in order.flavours.iter().copied().enumerate() {
        let bytes = flavour.package(&contents)?;
        let failed = inspect(&bytes, UnixTime::now()).findings.into_iter().find(|f| f.verdict == Verdict::Fail);
        if let Some(finding) = failed {
            return Err(PackageError::Unusable { flavour: flavour.name(), why: finding.seen });
        }
        let path = keep(&config, order.cn, (n > 0).then_some(flavour), &bytes)?;
        packages.push(Package { flavour, path, bytes });
    }
    let flavours: Vec<_> = order.flavours.iter().map(|f| f.name()).collect();
    let serial = certificate.as_ref().map(|(serial, _)| serial.clone());
    let detail = serde_json::json!({"cn": order.cn, "host": host, "flavours": flavours, "serial": serial});
    native.accounts.audit.did(by, "package.made", order.user, detail);
    Ok(Made { port: ports.stream, host, named, certificate, packages })
}

/// The host must stand in the server's certificate: where it does not, it is added and the certificate made anew, for
/// connections from now on.
fn put_in_certificate(native: &Native, host: &str, by: &Actor) -> Result<bool, PackageError> {
    let authority = native.certificates.authority()?;
    let leaf = parse::certificates(authority.server_identity().0).into_iter().next().unwrap_or_default();
    if rules::san(&leaf, host).verdict == Verdict::Ok {
        return Ok(false);
    }
    hosts::add(&native.config().tls, host)?;
    native.certificates.renew(by)?;
    Ok(true)
}
