//! A package without `changes.json`: every `*.cot` becomes an item, every other file but the manifest a content
//! (and but the history that is beside it in what `fts mission export` writes).
use std::fs::File;

use fts_plugin_api::sdk::Error;

use super::{EVENT, Kept, Loaded, Loader, event, unzip::Package};
use crate::{
    adding::{self, Item, What},
    backup::LINES,
    items::{self, Added, NewCot},
    refusal::Refusal,
    work::Work,
};

/// Adds everything in it.
///
/// # Errors
/// 400, 410; the disk, the database.
pub fn load(loader: &Loader<'_>, package: &mut Package, kept: &mut Kept<'_>) -> Result<Loaded, Refusal> {
    let (mut events, mut files) = (Vec::new(), Vec::new());
    for at in 0..package.members().len() {
        let Some(member) = package.members().get(at).cloned() else { break };
        // The history beside an archive has the password's hash and every member: it is the administrator's.
        if member.ends("manifest.xml") || member.name == LINES {
            continue;
        }
        if member.ends(".cot") {
            let text = package.read(at, EVENT)?;
            events.push(event(loader.desk, &member.name, &text)?);
            continue;
        }
        let work = Work::new(&loader.desk.host)?;
        package.copy(at, u64::MAX, &mut File::create_new(work.path()).map_err(Error::from)?)?;
        files.push((member.base().to_owned(), work));
    }
    // Nothing is stored before everything was read.
    let files: Result<Vec<_>, Refusal> =
        files.into_iter().map(|(name, work)| kept.store(loader, &name, &work)).collect();
    let files = files?;
    let (desk, creator) = (loader.desk, loader.creator);
    let messages = desk.write_then(
        |w| {
            loader.caller.user.clone_into(&mut w.user);
            let mission = w.fresh(loader.mission)?;
            let (mut messages, mut send) = (Vec::new(), Vec::new());
            for cot in events {
                let new = NewCot {
                    cot: cot.clone(),
                    creator_uid: creator.to_owned(),
                    received: w.now,
                    path: None,
                    after: None,
                    journal: 0,
                };
                match items::add_cot(w, &desk.config, &mission, &new)? {
                    Added::Refused(why) => messages.push(format!("{} was not added: {why}", cot.uid())),
                    _ => send.push(cot),
                }
            }
            for file in &files {
                let item = Item { what: What::File(file.sha256.clone()), path: None, after: None };
                if let Some(why) = adding::file_item(desk, w, &mission, creator, &item, file)? {
                    messages.push(format!("{} was not added: {why}", file.name));
                }
            }
            Ok((messages, send))
        },
        |(messages, send), after| {
            after.into_iter().for_each(|what| desk.carry_out(what));
            send.iter().for_each(|cot| adding::forward(desk, loader.mission, creator, cot));
            messages
        },
    )?;
    Ok(Loaded::Done(messages))
}
