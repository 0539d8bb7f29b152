//! M-15: when a mission ends by itself ([`crate::expiry`] ends it).
use crate::{
    answer::{self, Answer},
    edits,
    model::Mission,
    params,
    refusal::Refusal,
    store::missions,
    visit::Visit,
};

/// PUT `expiration`: s UTC; absent or -1 = never.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    let expiration = params::number(visit.request, "expiration")?.unwrap_or(-1);
    if expiration < -1 {
        return Err(Refusal::Bad(format!("expiration={expiration}: a time in seconds is expected, or -1 for never")));
    }
    let author = visit.creator();
    visit.desk.write(|w| {
        let before = w.fresh(&visit.mission)?;
        let mission = Mission { expiration, ..before.clone() };
        missions::update(w.tx, &mission)?;
        edits::settings(w, &before, &mission, &author);
        Ok(())
    })?;
    Ok(answer::empty())
}
