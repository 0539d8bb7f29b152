//! M-15: when a mission ends by itself ([`crate::expiry`] ends it).
use crate::{
    answer::{self, Answer},
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
    visit.desk.write(|w| {
        let mission = w.fresh(&visit.mission)?;
        Ok(missions::update(w.tx, &Mission { expiration, ..mission })?)
    })?;
    Ok(answer::empty())
}
