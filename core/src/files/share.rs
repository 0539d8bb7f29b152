//! Offers of files that the server makes (cot.md 7.1, marti-http.md 11.3): one `b-f-t-r` for all causes. Each receiver is
//! given a URL of its own kind, https where its stream is TLS; nobody is offered a file it could not fetch.
use std::sync::Arc;

use fts_plugin_api::cot::Builder;

use super::{Files, Resource, name};
use crate::{
    directory::{Bits, Client},
    http::{call::Call, native::Native, url},
    observe::clock,
    route::{Made, Router},
};

/// Life of an offer, ms.
const STALE: i64 = 100_000;

/// Whom a file is offered to. All of them only as far as they see the file.
#[derive(Clone, Debug)]
pub enum Receivers {
    /// Everyone.
    All,
    /// Members of these groups.
    Groups(Vec<String>),
    /// By client uid.
    Uids(Vec<String>),
    /// By callsign.
    Callsigns(Vec<String>),
    /// These connections.
    Conns(Vec<u64>),
}

/// Who offers, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// User who caused it; "" = the server.
    pub user: String,
    /// Host of the request that caused it, without port; "" = `server.public_host`.
    pub host: String,
}

impl Offer {
    /// Of whoever made this call.
    #[must_use]
    pub fn of(native: &Native, call: &Call) -> Self {
        let user = call.identity.user.as_deref().filter(|_| !call.identity.anonymous).unwrap_or_default().to_owned();
        let base = url::base_url(native, call);
        let host = base.split_once("://").and_then(|(_, rest)| rest.rsplit_once(':')).map(|(host, _)| host.to_owned());
        Self { user, host: if call.host.is_some() { host.unwrap_or_default() } else { String::new() } }
    }
}

/// The URL of a content, as text clients use verbatim.
#[must_use]
pub fn content_url(base: &str, hash: &super::Hash) -> String {
    format!("{base}/Marti/sync/content?hash={hash}")
}

impl Files {
    /// Offers a file; how many connections it went to.
    pub fn share(&self, native: &Native, file: &Resource, to: &Receivers, offer: &Offer) -> usize {
        let clients = receivers(&native.router, file, to);
        if clients.is_empty() {
            return 0;
        }
        let (uid, now) = (uuid::Uuid::new_v4().to_string(), clock::now_ms());
        let config = native.config();
        let from = if offer.user.is_empty() { &config.server.name } else { &offer.user };
        let forms = [false, true].map(|https| {
            let at = content_url(&base(native, https, &offer.host), &file.hash);
            request(&uid, file, &at, (&config.server.node_id, from), now)
        });
        for client in &clients {
            native.router.send_to(client, Made::reliable(forms[usize::from(client.tls)].clone()));
        }
        clients.len()
    }
}

/// The listener receivers of this kind fetch from, at the host of the causing request if there was one.
fn base(native: &Native, https: bool, host: &str) -> String {
    let own = url::listener_url(native, https);
    let parts = own.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?.1)));
    match parts {
        Some((scheme, port)) if !host.is_empty() => format!("{scheme}://{host}:{port}"),
        _ => own,
    }
}

fn receivers(router: &Router, file: &Resource, to: &Receivers) -> Vec<Arc<Client>> {
    let directory = &router.directory;
    let bits = |names: &[String]| Bits::of(names.iter().filter_map(|g| directory.groups.find(g)));
    let roster = directory.roster();
    let mut clients: Vec<Arc<Client>> = match to {
        Receivers::All => roster.clients().cloned().collect(),
        Receivers::Groups(groups) => {
            let wanted = bits(groups);
            roster.clients().filter(|c| wanted.meets(&c.groups().receive)).cloned().collect()
        }
        Receivers::Uids(uids) => uids.iter().flat_map(|uid| directory.index().uid(uid)).collect(),
        Receivers::Callsigns(names) => names.iter().flat_map(|name| directory.index().callsign(name)).collect(),
        Receivers::Conns(conns) => roster.clients().filter(|c| conns.contains(&c.conn)).cloned().collect(),
    };
    let sees = bits(&file.groups);
    clients.retain(|c| !c.internal() && !c.one_way() && c.remote_of().is_empty() && sees.meets(&c.groups().receive));
    clients.sort_by_key(|c| c.conn);
    clients.dedup_by_key(|c| c.conn);
    clients
}

fn request(uid: &str, file: &Resource, at: &str, (node, from): (&str, &str), now: i64) -> Vec<u8> {
    let (hash, size) = (file.hash.as_str(), file.size.to_string());
    let attrs = [
        ("filename", file.name.as_str()),
        ("senderUrl", at),
        ("sizeInBytes", &size),
        ("sha256", hash),
        ("senderUid", node),
        ("senderCallsign", from),
        ("name", name::stem(&file.name)),
    ];
    Builder::new("b-f-t-r", now).uid(uid).how("h-e").stale_after(STALE).child("fileshare", &attrs, "").to_text()
}

#[cfg(test)]
mod tests {
    use fts_plugin_api::cot::{Attr, Cot};

    use super::{
        super::{Hash, resource::tests::sample},
        *,
    };

    #[test]
    fn an_offer_has_everything_receivers_demand() {
        let file = Resource { name: "MP & \"A\".zip".into(), size: 12, ..sample(Hash::of(b"x")) };
        let at = content_url("https://tak.example.org:8443", &file.hash);
        let cot = Cot::parse(request("u-1", &file, &at, ("node", "alice"), 1_700_000_000_000)).unwrap();
        assert_eq!((cot.uid().as_ref(), cot.kind(), cot.raw(Attr::How)), ("u-1", "b-f-t-r", "h-e"));
        assert_eq!(cot.time(Attr::Stale), Some(1_700_000_100_000));
        let share = cot.detail("fileshare").unwrap();
        let attr = |name| share.attr(name).unwrap().into_owned();
        assert_eq!(attr("senderUrl"), format!("https://tak.example.org:8443/Marti/sync/content?hash={}", file.hash));
        assert_eq!((attr("filename"), attr("name")), ("MP & \"A\".zip".into(), "MP & \"A\"".into()));
        assert_eq!((attr("sizeInBytes"), attr("sha256")), ("12".into(), file.hash.to_string()));
        assert_eq!((attr("senderUid"), attr("senderCallsign")), ("node".into(), "alice".into()));
        assert!(cot.detail("ackrequest").is_none() && cot.detail("marti").is_none());
    }
}
