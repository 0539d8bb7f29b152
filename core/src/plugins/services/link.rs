//! Links of a plugin: its messages to and from [`super::links`].
use std::{os::fd::IntoRawFd, sync::Arc, time::Duration};

use fts_plugin_api::{
    abi::{Failure, failure},
    message::{self, LinkDial, LinkListen, LinkOpened, LinkProfile, LinkWrite, op},
    shim,
};
use serde_bytes::ByteBuf;

use super::{
    super::{Generation, Plugins, queue::Item},
    Answer, answer, args,
    links::{self, LinkError, LinkEvent, LinkId, LinkSet, ListenerId, WriteError},
    need, refuse,
};
use crate::config::{ClientCert, MinVersion};

fn failed(error: &LinkError) -> Failure {
    let code = match error {
        LinkError::Write(WriteError::Full) => failure::FULL,
        LinkError::Write(WriteError::Gone) | LinkError::Gone | LinkError::Ended => failure::GONE,
        LinkError::TooMany | LinkError::TooManyListeners => failure::BUSY,
        _ => failure::INVALID,
    };
    shim::failure(code, error.to_string())
}

fn set<'a>(plugins: &Plugins, generation: &'a Generation) -> &'a LinkSet {
    generation.links.get_or_init(|| plugins.links.of(generation.name()))
}

/// One operation.
pub fn call(plugins: &Arc<Plugins>, generation: &Arc<Generation>, operation: &str, bytes: &[u8]) -> Answer {
    let links = set(plugins, generation);
    match operation {
        op::LINK_DIAL => {
            need(generation, "net")?;
            let LinkDial { host, port, profile } = args(bytes)?;
            let id = links.dial(&host, port, &self::profile(&profile)?, &sink(generation)).map_err(|e| failed(&e))?;
            answer(Ok(LinkOpened { id: id.0, address: String::new() }))
        }
        op::LINK_LISTEN => {
            need(generation, "listen")?;
            let LinkListen { bind, port, profile } = args(bytes)?;
            let (id, address) =
                links.listen(&bind, port, &self::profile(&profile)?, &sink(generation)).map_err(|e| failed(&e))?;
            tracing::info!(event = "plugin.listen", plugin = %generation.name(), %address, "listening");
            answer(Ok(LinkOpened { id: id.0, address: address.to_string() }))
        }
        op::LINK_WRITE => {
            let LinkWrite { link, bytes } = args(bytes)?;
            answer(links.write(LinkId(link), &bytes).map_err(|e| failed(&e.into())))
        }
        op::LINK_STARTTLS => {
            let (link, last, seen): (u64, ByteBuf, u64) = args(bytes)?;
            answer(links.starttls(LinkId(link), &last, seen).map_err(|e| failed(&e)))
        }
        op::LINK_CLOSE => {
            let id: u64 = args(bytes)?;
            links.close(LinkId(id));
            links.close_listener(ListenerId(id));
            answer(Ok(()))
        }
        op::LINK_PAIR => {
            let fd = links.pair(LinkId(args(bytes)?)).map_err(|e| failed(&e))?;
            answer(Ok(fd.into_raw_fd()))
        }
        _ => refuse(failure::UNSUPPORTED, format!("this server does not know the operation {operation:?}")),
    }
}

fn profile(wanted: &LinkProfile) -> Result<links::Profile, Failure> {
    let frames = match wanted.frames {
        message::Frames::Raw => links::Frames::Raw,
        message::Frames::U32 { max } => links::Frames::U32Length { max },
        message::Frames::Line { max } => links::Frames::Line { max: max as usize },
    };
    let tls = wanted.tls.as_ref().map(tls).transpose()?;
    let ms = |given: u64| if given == 0 { Duration::from_secs(10) } else { Duration::from_millis(given) };
    let (connect_timeout, handshake_timeout) = (ms(wanted.connect_ms), ms(wanted.handshake_ms));
    Ok(links::Profile { tls, frames, connect_timeout, handshake_timeout, pair: wanted.pair })
}

fn tls(wanted: &message::LinkTls) -> Result<links::TlsProfile, Failure> {
    let identity = match &wanted.cert {
        Some((cert, key)) => links::Identity::Files { cert: cert.into(), key: key.into() },
        None if wanted.anonymous => links::Identity::None,
        None => links::Identity::Server,
    };
    let trust = match &wanted.trust {
        message::Trust::OwnCa => links::Trust::Ca,
        message::Trust::Any => links::Trust::DangerousAny,
        message::Trust::Pinned(pin) => {
            links::Trust::Pinned(links::pin(pin).map_err(|e| shim::failure(failure::INVALID, e.to_string()))?)
        }
        message::Trust::Files(files) => match files.as_slice() {
            [dir] if std::path::Path::new(dir).is_dir() => links::Trust::Dir(dir.into()),
            files => links::Trust::Files(files.iter().map(Into::into).collect()),
        },
    };
    Ok(links::TlsProfile {
        identity,
        trust,
        client_cert: match wanted.client_cert.as_str() {
            "none" => ClientCert::None,
            "optional" => ClientCert::Optional,
            _ => ClientCert::Required,
        },
        check_name: !wanted.any_name,
        server_name: (!wanted.server_name.is_empty()).then(|| wanted.server_name.clone()),
        alpn: wanted.alpn.clone(),
        min_version: if wanted.only_13 { MinVersion::V13 } else { MinVersion::V12 },
        starttls: wanted.starttls,
    })
}

/// Puts what happens into the plugin's queue.
fn sink(generation: &Arc<Generation>) -> links::Sink {
    let (queue, number) = (generation.plugin.queue.clone(), generation.number);
    Arc::new(move |event| {
        if let Some(event) = told(event) {
            queue.push(Item::Link(number, Box::new(event)));
        }
    })
}

fn told(event: LinkEvent) -> Option<message::LinkEvent> {
    use message::LinkEvent as To;
    let up = |link: LinkId, listener: u64, peer: links::Peer| To::Up {
        link: link.0,
        listener,
        peer: peer.address.to_string(),
        alpn: peer.alpn.unwrap_or_default(),
        chain: peer.chain.into_iter().map(ByteBuf::from).collect(),
        fingerprint: peer.fingerprint.unwrap_or_default(),
        name: peer.common_name.unwrap_or_default(),
    };
    Some(match event {
        LinkEvent::Up { link, peer } => up(link, 0, peer),
        LinkEvent::Accepted { listener, link, peer } => up(link, listener.0, peer),
        LinkEvent::Secured { link, peer } => To::Secured {
            link: link.0,
            alpn: peer.alpn.unwrap_or_default(),
            chain: peer.chain.into_iter().map(ByteBuf::from).collect(),
            fingerprint: peer.fingerprint.unwrap_or_default(),
            name: peer.common_name.unwrap_or_default(),
        },
        LinkEvent::Frame { link, number, bytes } => {
            To::Frame { link: link.0, number, bytes: ByteBuf::from(bytes.to_vec()) }
        }
        LinkEvent::Writable { link } => To::Writable { link: link.0 },
        LinkEvent::Closed { link, why } => {
            let how = match why {
                links::End::Clean => "clean",
                links::End::Truncated(_) => "truncated",
                links::End::Reset => "reset",
                links::End::TimedOut(_) => "timed-out",
                links::End::Refused(_) => "refused",
                links::End::Protocol(_) => "protocol",
                links::End::Local => "local",
            };
            To::Closed { link: link.0, how: how.to_owned(), why: why.to_string() }
        }
        LinkEvent::Rejected { listener, address, why } => {
            To::Rejected { listener: listener.0, peer: address.to_string(), why: why.to_string() }
        }
    })
}
