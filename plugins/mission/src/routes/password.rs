//! M-13 and M-14: the password of a mission (mission.md 2.5). Members stay members, with the tokens they have.
//!
//! The hash is made before the transaction: it takes tens of milliseconds. What must not happen: a password in a log.
use crate::{
    answer::{self, Answer},
    edits,
    model::{Mission, PasswordHash},
    notice::Notice,
    params,
    refusal::Refusal,
    store::missions,
    visit::Visit,
};

/// PUT `password`.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    visit.caller.may_use_password(visit.desk)?;
    let missing = || Refusal::Bad("the parameter password is missing; DELETE takes a password away".into());
    let hash = PasswordHash::of(&visit.desk.host, params::filled(visit.request, "password").ok_or_else(missing)?)?;
    set(visit, Some(hash))
}

/// DELETE `password`.
pub fn delete(visit: &mut Visit<'_>) -> Answer {
    set(visit, None)
}

fn set(visit: &Visit<'_>, password: Option<PasswordHash>) -> Answer {
    let author = visit.creator();
    let who = (visit.caller.user.as_str(), visit.caller.uid.as_deref().unwrap_or_default());
    visit.desk.write(|w| {
        let before = w.fresh(&visit.mission)?;
        let mission = Mission { password, ..before.clone() };
        missions::update(w.tx, &mission)?;
        edits::settings(w, &before, &mission, &author);
        w.password(before.password.as_ref(), &mission, who);
        w.notice(Notice::broadcast("t-x-m-c-m", &mission, &author));
        Ok(())
    })?;
    Ok(answer::empty())
}
