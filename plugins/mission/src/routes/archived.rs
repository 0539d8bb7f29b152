//! M-11 and M-12: a mission as a zip file, downloaded or sent to clients.
use std::{fs::File, io::Read};

use fts_plugin_api::{
    sdk::{FileInfo, Response, Send, Target},
    tracing,
};

use super::cot::own_host;
use crate::{
    answer::{self, Answer},
    archive::{self, Reader},
    pack, params,
    present::Depth,
    refusal::Refusal,
    visit::Visit,
    work::Work,
};

/// Bytes of one piece of an answer.
const PIECE: usize = 64 << 10;
/// Life of a file request, ms (cot.md 7.1).
const STALE: i64 = 100_000;

/// GET `{m}/archive`.
pub fn get(visit: &mut Visit<'_>) -> Answer {
    let work = build(visit)?;
    // The open file outlives its name.
    let mut file = File::open(work.path()).map_err(fts_plugin_api::sdk::Error::from)?;
    let pieces = std::iter::from_fn(move || {
        let mut piece = vec![0; PIECE];
        match file.read(&mut piece) {
            Ok(0) => None,
            Ok(n) => {
                piece.truncate(n);
                Some(Ok(piece))
            }
            Err(error) => Some(Err(error.to_string())),
        }
    });
    let name = disposition(&visit.mission.name);
    Ok(Response::pieces("application/zip", pieces).header("content-disposition", name))
}

fn build(visit: &Visit<'_>) -> Result<Work, Refusal> {
    let groups = visit.caller.groups_of(&visit.mission);
    let host = match own_host(&visit.request.head().host) {
        "" => &visit.desk.host.server().public_host,
        asked => asked,
    };
    let reader = Reader { host, groups: &groups, secret: false };
    Ok(archive::build(visit.desk, &visit.mission, &reader)?)
}

/// `attachment` with the mission's name: what a header cannot hold is in the second form (RFC 6266).
fn disposition(name: &str) -> String {
    let name = pack::plain(name);
    let ascii: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    if ascii == name {
        return format!("attachment; filename=\"{ascii}.zip\"");
    }
    let coded: String = name.bytes().map(coded).collect();
    format!("attachment; filename=\"{ascii}.zip\"; filename*=UTF-8''{coded}.zip")
}

fn coded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

/// POST `{m}/send`: only to clients that share a group with the caller.
pub fn send(visit: &mut Visit<'_>) -> Answer {
    let mut contacts = params::list(visit.request, "contacts");
    let form = params::form(visit.request)?;
    contacts.extend(form.into_iter().filter(|(name, _)| name == "contacts").map(|(_, value)| value));
    contacts.retain(|uid| !uid.trim().is_empty());
    contacts.sort_unstable();
    contacts.dedup();
    if contacts.is_empty() {
        return Err(Refusal::Bad("the parameter contacts is missing".into()));
    }
    let work = build(visit)?;
    let host = &visit.desk.host;
    let mut groups = visit.caller.groups.clone();
    if visit.caller.admin {
        groups.extend(visit.mission.groups.iter().filter(|g| !visit.caller.groups.contains(g)).cloned());
    }
    let info = FileInfo {
        name: format!("{}.zip", visit.mission.name),
        content_type: "application/zip".to_owned(),
        keywords: vec!["missionpackage".to_owned()],
        // Found by its hash only: who was not sent it does not come upon it.
        tool: "private".to_owned(),
        submitter: visit.caller.user.clone(),
        creator_uid: visit.creator(),
        groups: groups.clone(),
        ..FileInfo::default()
    };
    let file = host.files().put_file(info, work.relative())?;
    let sender = if visit.caller.user.is_empty() { &host.server().name } else { &visit.caller.user };
    let mut told = 0_usize;
    for client in host.clients().all()? {
        // Nobody is offered what it could not fetch.
        let shares = client.groups_out.iter().any(|g| groups.contains(g));
        if !contacts.contains(&client.uid) || !shares {
            continue;
        }
        let (url, size) = (host.files().url_for(&file.sha256, client.conn)?, file.len.to_string());
        let attrs = [
            ("filename", file.name.as_str()),
            ("senderUrl", &url),
            ("sizeInBytes", &size),
            ("sha256", &file.sha256),
            ("senderUid", &host.server().node_id),
            ("senderCallsign", sender),
            ("name", &visit.mission.name),
        ];
        let event = host.cot().build("b-f-t-r").how("h-e").stale_after(STALE).child("fileshare", &attrs, "");
        let event = event.build().map_err(|e| fts_plugin_api::sdk::Error::new(format!("a file request: {e}")))?;
        host.cot().send(&event, Send::to(Target::Conns(vec![client.conn])))?;
        told += 1;
    }
    let (mission, user) = (&visit.mission.guid, &visit.caller.user);
    tracing::info!(event = "mission.sent", %mission, %user, uid = %visit.creator(), told, "an archive of the mission was sent");
    Ok(answer::ok(visit.desk, answer::MISSION, [visit.show(Depth::WHOLE)?]))
}

#[cfg(test)]
mod tests {
    use super::disposition;

    #[test]
    fn every_name_fits_into_the_header() {
        assert_eq!(disposition("Flood North"), "attachment; filename=\"Flood North.zip\"");
        assert_eq!(disposition("Ü"), "attachment; filename=\"_.zip\"; filename*=UTF-8''%C3%9C.zip");
        assert!(!disposition("a\"\r\nx: y").contains(['\r', '\n']));
    }
}
