//! The rules that need the server: every address of a package is really tried, with what the package has for it.
//!
//! Order for a TLS connection: reach the port, handshake, the name in the certificate, a ping on the stream and its
//! answer, then the TAK API; for one that enrols the enrolment port instead of the last two. Nothing is sent that other
//! clients would see: a connection that only pings identifies nobody.
use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, StreamOwned, pki_types::ServerName,
};

use super::{public, tls};
use crate::{
    identity::packages::{
        inspect::Link,
        rules::{self, Finding},
    },
    observe::clock,
};

/// For each step.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read.
const ANSWER: usize = 1 << 20;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Tries one connection of a package.
pub fn connect(link: &Link, findings: &mut Vec<Finding>) {
    let (host, port) = (link.to.host.as_str(), link.to.port);
    let socket = match reach(host, port) {
        Ok(socket) => {
            findings.push(Finding::ok("reach", format!("{host}:{port}")));
            socket
        }
        Err(error) => {
            findings.push(Finding::fail("reach", format!("{host}:{port}: {error}"), unreachable(host)));
            return;
        }
    };
    if link.to.protocol == "tcp" {
        findings.push(ping(socket, "without encryption"));
        return;
    }
    let config = match tls::client(&link.roots, link.own.as_ref()) {
        Ok(config) => config,
        Err(error) => {
            let advice = "make the package again: fts package create NAME";
            findings.push(Finding::fail(
                "handshake",
                format!("what is in the package cannot be used: {error}"),
                advice,
            ));
            return;
        }
    };
    let stream = match handshake(socket, host, &config) {
        Ok(stream) => stream,
        Err(error) => {
            let (why, advice) = refused(&error);
            findings.push(Finding::fail("handshake", format!("{host}:{port}: {why}"), advice));
            return;
        }
    };
    let leaf = stream.conn.peer_certificates().and_then(|all| all.first()).map(|der| der.to_vec()).unwrap_or_default();
    let version =
        stream.conn.protocol_version().and_then(|v| v.as_str().map(|s| s.replace('_', " "))).unwrap_or_default();
    findings.push(Finding::ok("handshake", format!("{host}:{port}: {version}, the chain ends at the package's CA")));
    findings.push(rules::san(&leaf, host));
    if link.own.is_some() {
        findings.push(ping(stream, "with the package's certificate"));
        findings.push(api(host, link.https, &config));
    } else {
        findings.push(enrollment(host, link.enrollment, &config));
    }
}

fn unreachable(host: &str) -> String {
    format!(
        "does the server run (fts status), is the port open in its firewall, and is {host} what clients reach it by?"
    )
}

/// Any address of the host that answers.
fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for at in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&at, PATIENCE / 2) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.set_write_timeout(Some(PATIENCE))?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn handshake(socket: TcpStream, host: &str, config: &Arc<ClientConfig>) -> io::Result<Tls> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let conn = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(conn, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// Why, and what to do.
fn refused(error: &io::Error) -> (String, &'static str) {
    const CERTIFICATE: &str =
        "was it revoked (fts cert list), or was the CA made anew? Make the package again: fts package create NAME";
    match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => (
            "the server's certificate was not issued by a CA of the package's truststore".into(),
            "this is another server, or its CA was made anew: make the package again there",
        ),
        Some(Error::InvalidCertificate(why)) => (
            format!("the server's certificate is no good: {why:?}"),
            "look at it with fts status, or renew it: fts cert renew",
        ),
        Some(Error::AlertReceived(
            AlertDescription::CertificateRevoked
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::AccessDenied,
        )) => ("the server does not take the package's certificate".into(), CERTIFICATE),
        Some(Error::AlertReceived(alert)) => (format!("the server ends the handshake: {alert:?}"), CERTIFICATE),
        _ if late(error) => ("no answer in time".into(), "is this port the server's TLS port?"),
        _ => (error.to_string(), "is this port the server's TLS port?"),
    }
}

fn late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A ping on the stream, and its answer. With TLS 1.3 a refused certificate shows here, not in the handshake.
fn ping(mut stream: impl Read + Write, how: &str) -> Finding {
    let now = clock::now_ms();
    let time = |ms| fts_plugin_api::cot::format_time(ms);
    let event = format!(
        r#"<event version="2.0" uid="fts-doctor" type="t-x-c-t" how="m-g" time="{0}" start="{0}" stale="{1}"><point lat="0" lon="0" hae="0" ce="9999999" le="9999999"/><detail/></event>"#,
        time(now),
        time(now + 60_000)
    );
    let has = |got: &[u8], what: &str| String::from_utf8_lossy(got).contains(what);
    let mut got = Vec::new();
    let answered = stream
        .write_all(event.as_bytes())
        .and_then(|()| stream.flush())
        .and_then(|()| read(&mut stream, &mut got, |got| has(got, "t-x-c-t-r\"") && has(got, "\"t-x-takp-v\"")));
    match answered {
        Ok(()) => Finding::ok("cot", format!("{how}: ping answered, TAK protocol offered")),
        Err(_) if has(&got, "t-x-c-t-r\"") => Finding::note(
            "cot",
            format!("{how}: ping answered, TAK protocol not offered"),
            "clients use XML; listeners.cot_tls.protobuf is off",
        ),
        Err(error) => {
            let (why, advice) = match error.kind() {
                io::ErrorKind::UnexpectedEof => {
                    ("the server closed the connection".to_owned(), "its log says why: fts logs")
                }
                _ => refused(&error),
            };
            Finding::fail(
                if how == "without encryption" { "cot" } else { "handshake" },
                format!("{how}: {why}"),
                advice,
            )
        }
    }
}

/// Reads until it is enough, the stream ends, or it takes too long.
fn read(stream: &mut impl Read, got: &mut Vec<u8>, enough: impl Fn(&[u8]) -> bool) -> io::Result<()> {
    let (until, mut more) = (Instant::now() + PATIENCE, [0; 16 << 10]);
    while !enough(got) {
        if Instant::now() > until || got.len() > ANSWER {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match stream.read(&mut more) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => got.extend_from_slice(&more[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Status and body of a GET.
fn get(host: &str, port: u16, path: &str, config: &Arc<ClientConfig>) -> io::Result<(u16, String)> {
    let mut stream = handshake(reach(host, port)?, host, config)?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\naccept: */*\r\nconnection: close\r\n\r\n")?;
    stream.flush()?;
    let mut got = Vec::new();
    match read(&mut stream, &mut got, |_| false) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    let text = String::from_utf8_lossy(&got);
    let status = text.split(' ').nth(1).and_then(|code| code.get(..3)?.parse().ok());
    let status = status.filter(|_| text.starts_with("HTTP/1.1 ")).ok_or_else(|| io::Error::other("no HTTP answer"))?;
    Ok((status, text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
}

fn api(host: &str, port: u16, config: &Arc<ClientConfig>) -> Finding {
    const PATH: &str = "/Marti/api/version/config";
    match get(host, port, PATH, config) {
        Ok((200, body)) if body.contains("ServerConfig") => {
            Finding::ok("api", format!("https://{host}:{port}{PATH} answers with the package's certificate"))
        }
        Ok((status, _)) => Finding::fail(
            "api",
            format!("https://{host}:{port}{PATH} answers {status}"),
            "clients exchange packages there; is this port the server's listeners.marti_https?",
        ),
        Err(error) => {
            let why = refused(&error).0;
            let advice =
                format!("clients exchange packages there: listeners.marti_https must be on; {}", unreachable(host));
            Finding::fail("api", format!("https://{host}:{port}{PATH}: {why}"), advice)
        }
    }
}

/// The client will be asked for its password: that is all that can be tried without one. With `tls.web_cert` the port
/// shows a certificate the package does not know; devices check it as they check web pages then, its name included. The CA
/// of that one must not go into the truststore: ATAK looks at no names on the stream, and whoever has a certificate of a
/// public CA could be the server.
fn enrollment(host: &str, port: u16, config: &Arc<ClientConfig>) -> Finding {
    const PATH: &str = "/Marti/api/tls/config";
    let unknown = |error: &io::Error| {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
        matches!(inner, Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)))
    };
    let (asked, public) = match get(host, port, PATH, config) {
        Err(error) if unknown(&error) => match tls::strict(&public::roots()) {
            Ok(config) => (get(host, port, PATH, &config), true),
            Err(_) => (Err(error), true),
        },
        asked => (asked, false),
    };
    match asked {
        Ok((200 | 401, _)) if public => Finding::note(
            "enrollment",
            format!(
                "https://{host}:{port} shows a certificate of a public CA, good for {host}, and asks for user and password"
            ),
            "devices check it with the CAs they come with; one that does not enrol has no such CA: take tls.web_cert out",
        ),
        Ok((200 | 401, _)) => {
            Finding::ok("enrollment", format!("https://{host}:{port}{PATH} asks for user and password"))
        }
        Ok((status, _)) => {
            let advice = "is this port the server's listeners.enrollment?";
            Finding::fail("enrollment", format!("https://{host}:{port}{PATH} answers {status}"), advice)
        }
        Err(error) if public => {
            let why = match error.get_ref().and_then(|e| e.downcast_ref::<Error>()) {
                Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                    "its certificate ends neither at a CA of the package nor at one this machine trusts".to_owned()
                }
                Some(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )) => format!("its certificate, of a public CA, is not for {host}"),
                _ => refused(&error).0,
            };
            let advice = format!(
                "tls.web_cert must be of a public CA, with what is between in the same file, and for {host}; without it the \
                 port shows a certificate the package knows"
            );
            Finding::fail("enrollment", format!("https://{host}:{port}: {why}"), advice)
        }
        Err(error) => {
            let why = refused(&error).0;
            let advice = format!("listeners.enrollment must be on; {}", unreachable(host));
            Finding::fail("enrollment", format!("https://{host}:{port}{PATH}: {why}"), advice)
        }
    }
}
