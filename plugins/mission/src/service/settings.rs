//! Settings of a mission that other plugins write, and what they read of them: federation makes the same mission here.
//!
//! What must not happen: a password becomes none, or a mission open, because its hash could not be read; one is set or taken
//! away, and the log does not say so.
use fts_plugin_api::{
    sdk::missions::{Answer, By, Hidden, Settings},
    tracing,
};

use super::{Done, life::role, one, sign};
use crate::{
    desk::Desk,
    edits,
    model::{Mission, PasswordHash},
    notice::Notice,
    refusal::Refusal,
    store::missions,
};

/// Those that are another than before; broadcast when there is one.
pub fn update(desk: &Desk, mission: &Mission, new: &Settings, by: &By) -> Done {
    desk.write(|w| {
        sign(w, by);
        let before = w.fresh(mission)?;
        let mission = with(before.clone(), new)?;
        if mission != before {
            missions::update(w.tx, &mission)?;
            missions::set_keywords(w.tx, mission.id, &mission.keywords)?;
            edits::settings(w, &before, &mission, &by.author);
            w.password(before.password.as_ref(), &mission, ("", &by.author));
            w.notice(Notice::broadcast("t-x-m-c-m", &mission, &by.author));
            tracing::info!(event = "mission.edited", mission = %mission.guid, uid = %by.author, "edited by a plugin");
        }
        Ok(one(&mission))
    })
}

/// The mission with these settings; what is not said stays.
///
/// # Errors
/// 400: no such role, no time, a hash of neither kind.
pub fn with(mut mission: Mission, new: &Settings) -> Result<Mission, Refusal> {
    let texts = [
        (&mut mission.description, &new.description),
        (&mut mission.chat_room, &new.chat_room),
        (&mut mission.base_layer, &new.base_layer),
        (&mut mission.bbox, &new.bbox),
        (&mut mission.path, &new.path),
        (&mut mission.classification, &new.classification),
    ];
    for (field, text) in texts {
        if let Some(text) = text {
            field.clone_from(text);
        }
    }
    if let Some(polygon) = &new.bounding_polygon {
        mission.bounding_polygon = Some(polygon.clone()).filter(|p| !p.is_empty());
    }
    if let Some(tool) = &new.tool {
        mission.tool = if tool.is_empty() { "public".to_owned() } else { tool.clone() };
    }
    if let Some(keywords) = &new.keywords {
        let mut each: Vec<String> = Vec::new();
        keywords.iter().for_each(|k| {
            if !each.contains(k) {
                each.push(k.clone())
            }
        });
        mission.keywords = each;
    }
    match new.default_role.as_deref() {
        None => {}
        Some("") => mission.default_role = None,
        Some(name) => mission.default_role = Some(role(name)?),
    }
    if let Some(expiration) = new.expiration {
        if expiration < -1 {
            return Err(Refusal::Bad(format!(
                "expiration {expiration}: a time in seconds is expected, or -1 for never"
            )));
        }
        mission.expiration = expiration;
    }
    mission.invite_only = new.invite_only.unwrap_or(mission.invite_only);
    match new.password_hash.as_ref().map(|hash| hash.0.as_str()) {
        None => {}
        Some("") => mission.password = None,
        Some(hash) => mission.password = Some(PasswordHash::foreign(hash)?),
    }
    Ok(mission)
}

/// For another server; nobody else may see it.
pub fn password_hash(mission: &Mission) -> Answer {
    let hash = mission.password.as_ref().map(|hash| Hidden(hash.reveal().to_owned()));
    Answer { password_hash: hash, ..one(mission) }
}
