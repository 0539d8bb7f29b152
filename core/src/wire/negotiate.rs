//! `t-x-takp-v`, `-q`, `-r` (cot.md 3.3, RULE-27..30): exact texts without white space.
use fts_plugin_api::cot::{Cot, Millis, escape_attr, format_time};

/// The server's announcement with a fresh uid. `server_version` goes into TakServerVersionInfo.
pub fn announcement(server_version: &str, now: Millis) -> Vec<u8> {
    let version = escape_attr(server_version);
    let control =
        format!(r#"<TakProtocolSupport version="1"/><TakServerVersionInfo serverVersion="{version}" apiVersion="3"/>"#);
    text(&uuid::Uuid::new_v4().to_string(), "t-x-takp-v", &control, now)
}

/// True when this `t-x-takp-q` asks for version 1.
pub fn asks_for_v1(request: &Cot) -> bool {
    let control = request.detail("TakControl").and_then(|c| c.child("TakRequest"));
    control.and_then(|r| r.attr("version")).is_some_and(|v| v.trim() == "1")
}

/// The answer to a request with this uid.
pub fn answer(uid: &str, accepted: bool, now: Millis) -> Vec<u8> {
    text(uid, "t-x-takp-r", &format!(r#"<TakResponse status="{accepted}"/>"#), now)
}

fn text(uid: &str, kind: &str, control: &str, now: Millis) -> Vec<u8> {
    let (uid, time, stale) = (escape_attr(uid), format_time(now), format_time(now + 60_000));
    format!(
        r#"<event version="2.0" uid="{uid}" type="{kind}" time="{time}" start="{time}" stale="{stale}" how="m-g"><point lat="0.0" lon="0.0" hae="0.0" ce="999999" le="999999"/><detail><TakControl>{control}</TakControl></detail></event>"#
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_carry_the_uid_and_requests_are_read() {
        let answer = Cot::parse(answer("a\"b", true, 0)).unwrap();
        assert_eq!(answer.uid(), "a\"b");
        assert_eq!(answer.detail("TakControl").unwrap().child("TakResponse").unwrap().attr("status").unwrap(), "true");
        let announced = Cot::parse(announcement("0.1", 0)).unwrap();
        assert_eq!(announced.kind(), "t-x-takp-v");
        let ask = |v: &str| Cot::parse(text("u", "t-x-takp-q", &format!("<TakRequest version='{v}'/>"), 0)).unwrap();
        assert!(asks_for_v1(&ask("1")) && !asks_for_v1(&ask("2")) && !asks_for_v1(&announced));
    }
}
