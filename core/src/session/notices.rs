//! Texts the server speaks on a stream: pong, goodbye, welcome (cot.md 4.3–4.5). Exact bytes; clients depend on them.

use fts_plugin_api::cot::{Builder, Fault, Millis, escape_attr, format_time};

/// Answer to a ping, as TAK Server writes it: constant uid, no detail.
pub fn pong(now: Millis) -> Vec<u8> {
    let (time, stale) = (format_time(now), format_time(now + 20_000));
    format!(
        r#"<event version="2.0" uid="takPong" type="t-x-c-t-r" how="h-g-i-g-o" time="{time}" start="{time}" stale="{stale}"><point ce="9999999" le="9999999" hae="0" lat="0" lon="0"/></event>"#
    )
    .into_bytes()
}

/// A contact is gone (RULE-43): ATAK needs uid, relation and type of the link all non-empty.
pub fn goodbye(uid: &str, kind: &str, now: Millis) -> Vec<u8> {
    let (time, stale) = (format_time(now), format_time(now + 20_000));
    let (own, uid, kind) =
        (uuid::Uuid::new_v4(), escape_attr(uid), escape_attr(if kind.is_empty() { "a-f-G-U-C" } else { kind }));
    format!(
        r#"<event version="2.0" uid="{own}" type="t-x-d-d" how="h-g-i-g-o" time="{time}" start="{time}" stale="{stale}"><point ce="9999999" le="9999999" hae="0" lat="0" lon="0"/><detail><link relation="p-p" uid="{uid}" type="{kind}"/></detail></event>"#
    )
    .into_bytes()
}

/// The groups of a client have changed: it reads its channels again (identity.md 8.3). `device` caused it; "" = none did.
pub fn groups_changed(device: &str, now: Millis) -> Vec<u8> {
    let (time, stale, own) = (format_time(now), format_time(now + 20_000), uuid::Uuid::new_v4());
    let behind = if device.is_empty() { String::new() } else { format!(".{}", escape_attr(device)) };
    format!(
        r#"<event version="2.0" uid="{own}{behind}" type="t-x-g-c" how="h-g-i-g-o" time="{time}" start="{time}" stale="{stale}"><point lat="0" lon="0" hae="0" ce="9999999" le="9999999"/><detail><link relation="p-p"/></detail></event>"#
    )
    .into_bytes()
}

/// A chat from the server to one client: the welcome (RULE-40) and texts of the operator. No `marti`.
///
/// # Errors
/// Never with these parts; [`Fault`] is passed on so that nothing can panic.
pub fn chat(server: &str, to_uid: &str, text: &str, now: Millis) -> Result<Vec<u8>, Fault> {
    let message = uuid::Uuid::new_v4().to_string();
    let group = format!(r#"<chatgrp id="SERVER-UID" uid0="SERVER-UID" uid1="{}"/>"#, escape_attr(to_uid));
    let remarks = fts_plugin_api::cot::escape_text(text);
    let built = Builder::new("b-t-f", now)
        .uid(format!("GeoChat.SERVER-UID.{to_uid}.{message}"))
        .stale_after(86_400_000)
        .child(
            "__chat",
            &[
                ("id", "SERVER-UID"),
                ("messageId", &message),
                ("senderCallsign", server),
                ("chatroom", server),
                ("parent", "RootContactGroup"),
                ("groupOwner", "false"),
            ],
            &group,
        )
        .child("link", &[("uid", "SERVER-UID"), ("type", "a-f-G-U-C-I"), ("relation", "p-p")], "")
        .child("remarks", &[("source", "BAO.F.ATAK.SERVER-UID"), ("to", to_uid), ("time", &format_time(now))], &remarks)
        .build()?;
    Ok(built.text().to_vec())
}
