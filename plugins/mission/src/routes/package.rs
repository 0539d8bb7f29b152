//! M-19: a package of events, files and offline changes.
use crate::{
    answer::{self, Answer},
    package::{self, Loaded, Loader},
    params,
    visit::Visit,
};

/// PUT `{m}/contents/missionpackage`.
pub fn put(visit: &mut Visit<'_>) -> Answer {
    let creator = params::required(visit.request, "creatorUid")?.to_owned();
    let loader = Loader { desk: visit.desk, mission: &visit.mission, caller: &visit.caller, creator: &creator };
    let none: [(); 0] = [];
    Ok(match package::load(&loader, visit.request)? {
        Loaded::Done(messages) => answer::with_messages(visit.desk, answer::CHANGE, none, &messages),
        Loaded::Conflict(changes) => answer::ok(visit.desk, answer::CHANGE, changes).status(409),
    })
}
