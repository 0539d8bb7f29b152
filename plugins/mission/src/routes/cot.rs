//! M-22: the newest event of every item of a mission, as one document, in the order the items were added.
//!
//! Read page by page from the rows there are when the request comes: constant memory, and no snapshot stays open while a
//! slow client reads. Chats are put into the room of the host that the client used (mission.md 5.5).
use fts_plugin_api::{
    cot::Cot,
    sdk::{Event, Host, Response, Result},
};

use crate::{
    answer::Answer,
    chat, params,
    store::cot::{self, StoredCot},
    visit::Visit,
};

/// Events of the first page: one may have some hundred KiB, and a page is there several times on its way.
const PAGE: i64 = 4;
/// Bytes that the pages behind it are to have, as far as the one before tells.
const WANTED: usize = 256 * 1024;
/// Events of such a page at most.
const MOST: usize = 64;
const HEAD: &str = "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>\n<events>";

/// GET `{m}/cot`.
pub fn dump(visit: &mut Visit<'_>) -> Answer {
    let (host, mission) = (visit.desk.host.clone(), visit.mission.id);
    let upto = cot::last_item(&host.sql(), mission)?;
    let room = chat::room(own_host(&visit.request.head().host), &visit.mission.name);
    let path = params::filled(visit.request, "path").map(str::to_owned);
    let pages = Pages { host, mission, after: 0, upto, path, room, limit: PAGE };
    let whole = std::iter::once(Ok(HEAD.as_bytes().to_vec())).chain(pages);
    Ok(Response::pieces("application/xml", whole.chain(std::iter::once(Ok(b"</events>".to_vec())))))
}

/// A `Host` header without its port.
pub fn own_host(host: &str) -> &str {
    match host.rsplit_once(':') {
        // An address of IPv6 without a port has colons, too.
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

struct Pages {
    host: Host,
    mission: i64,
    after: i64,
    upto: i64,
    path: Option<String>,
    room: String,
    limit: i64,
}

impl Iterator for Pages {
    type Item = std::result::Result<Vec<u8>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.page() {
            Ok(page) if page.is_empty() => None,
            Ok(page) => {
                let mut text = Vec::new();
                let count = page.len();
                for event in page {
                    text.extend_from_slice(&shown(event, &self.room));
                    text.push(b'\n');
                }
                let fit = WANTED * count / text.len().max(1);
                self.limit = i64::try_from(fit.clamp(1, MOST)).unwrap_or(PAGE);
                Some(Ok(text))
            }
            Err(error) => {
                self.after = self.upto;
                Some(Err(error.to_string()))
            }
        }
    }
}

impl Pages {
    fn page(&mut self) -> Result<Vec<StoredCot>> {
        let span = (self.after, self.upto);
        let page = cot::latest_page(&self.host.sql(), self.mission, span, self.path.as_deref(), self.limit)?;
        self.after = page.last().map_or(self.upto, |(item, _)| *item);
        Ok(page.into_iter().map(|(_, event)| event).collect())
    }
}

/// As it is stored, but for the room of a chat of this mission.
fn shown(stored: StoredCot, room: &str) -> Vec<u8> {
    if stored.xml.contains("<__chat")
        && let Ok(cot) = Cot::parse(stored.xml.clone().into_bytes())
        && let Some(text) = chat::rehost(&Event::of(cot.text(), cot.spans()), room)
    {
        return text;
    }
    stored.xml.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::own_host;

    #[test]
    fn a_host_is_known_without_its_port() {
        for (header, host) in [
            ("tak.example:8443", "tak.example"),
            ("tak.example", "tak.example"),
            ("[::1]:8443", "[::1]"),
            ("::1", "::1"),
            ("192.0.2.1:8080", "192.0.2.1"),
        ] {
            assert_eq!(own_host(header), host);
        }
    }
}
