//! The service `alerts`: the core asks it for `getNotification` and `eventsUpdate`, reports and federation for theirs.
//!
//! It speaks for plugins of this server, so no policy binds it and it lists every group; who asks narrows.
use std::sync::Arc;

use fts_plugin_api::sdk::{
    Error, Result,
    alerts::{self, Answer, Ask},
};

use crate::{
    alert::Alert,
    desk::Desk,
    kind::Kind,
    policy::{Caller, or_anon},
    refusal::Refusal,
    wire,
};

/// Answers one question.
///
/// # Errors
/// An alert without a known type; as [`Desk::raise`].
pub fn answer(desk: &Desk, ask: Ask) -> Result<Answer> {
    match ask {
        Ask::List => Ok(said(desk.table.active())),
        Ask::Start(alert) => Ok(said([desk.raise(of(desk, alert)?, "")?])),
        Ask::Cancel { uid, by } => match desk.cancel(&uid, &Caller::server(&by)) {
            Ok(alert) => Ok(said([alert])),
            Err(Refusal::Unknown(_)) => Ok(Answer::default()),
            Err(refusal) => Err(refusal.into()),
        },
    }
}

fn said(all: impl IntoIterator<Item = Arc<Alert>>) -> Answer {
    Answer { alerts: all.into_iter().map(|alert| told(&alert)).collect() }
}

fn told(alert: &Alert) -> alerts::Alert {
    alerts::Alert {
        uid: alert.uid.clone(),
        cot_type: alert.cot_type.clone(),
        kind: alert.kind.clone(),
        callsign: alert.callsign.clone(),
        origin: alert.origin.clone(),
        lat: alert.lat,
        lon: alert.lon,
        hae: alert.hae,
        first: alert.first,
        last: alert.last,
        cancelled: alert.cancelled,
        cancelled_by: alert.cancelled_by.clone(),
        groups: alert.groups.clone(),
    }
}

/// An alert to raise: what is left empty is filled in.
fn of(desk: &Desk, asked: alerts::Alert) -> Result<Alert> {
    let known = Kind::of(&asked.cot_type).or_else(|| Kind::named(&asked.kind));
    let cot_type = if asked.cot_type.is_empty() { known.map_or("", |k| k.cot_type) } else { &asked.cot_type };
    if !cot_type.starts_with("b-a-") || cot_type == crate::kind::CANCEL {
        return Err(Error::new(format!(
            "{:?} is no type of an emergency: take one of {}",
            asked.cot_type,
            Kind::names()
        )));
    }
    let kind = if asked.kind.is_empty() { known.map_or(cot_type, |k| k.text) } else { &asked.kind };
    Ok(Alert {
        uid: if asked.uid.is_empty() { desk.host.uuid() } else { asked.uid },
        cot_type: cot_type.to_owned(),
        kind: kind.to_owned(),
        origin: if asked.origin.is_empty() { desk.origin_of(&asked.callsign) } else { asked.origin },
        name: asked.callsign.clone(),
        callsign: asked.callsign,
        lat: asked.lat,
        lon: asked.lon,
        hae: if asked.hae == 0.0 { wire::UNKNOWN } else { asked.hae },
        groups: or_anon(&asked.groups),
        ..Alert::default()
    })
}
