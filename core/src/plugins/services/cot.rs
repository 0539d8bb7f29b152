//! Sending and releasing events.
use std::sync::{Arc, atomic::Ordering::Relaxed};

use bytes::Bytes;
use fts_plugin_api::{
    abi::{Failure, failure},
    message::{Release, SendHow, Target},
};

use super::{
    super::{Generation, HOLD, Plugins, guard, queue::Spilled},
    invalid, refuse,
};
use crate::{
    directory::Bits,
    route::{
        FromPlugin, LetGo, Reason,
        hooks::{Aim, Outgoing},
    },
};

/// Sends one event.
pub fn send(plugins: &Arc<Plugins>, generation: &Arc<Generation>, text: &[u8], how: &SendHow) -> Result<(), Failure> {
    if let Err(fast) = generation.pace.take(text) {
        metrics::counter!("fts_plugin_busy_total", "plugin" => generation.name().to_string(), "why" => fast.name())
            .increment(1);
        return refuse(failure::BUSY, fast.to_string());
    }
    let hop = guard::doing().hop.saturating_add(1);
    let outgoing = outgoing(plugins, generation, text, how, hop)?;
    plugins.router.send(outgoing).or_else(|reason| match reason {
        // Counted and shown like any other event that goes nowhere.
        Reason::PluginLoop | Reason::Loop | Reason::Rate | Reason::Duplicate | Reason::Filtered => Ok(()),
        Reason::Oversize => invalid("the event is too long"),
        reason => invalid(format!("this is no event: {}", reason.name())),
    })
}

/// To one connection; what cannot be sent is logged.
pub fn send_to(plugins: &Arc<Plugins>, generation: &Arc<Generation>, text: &[u8], conn: u64) {
    let how = SendHow::from(Target::Conns(vec![conn]));
    if let Err(failure) = send(plugins, generation, text, &how) {
        tracing::warn!(event = "plugin.bad_event", plugin = %generation.name(), "an event for a newcomer: {}", failure.message);
    }
}

/// An event of a plugin as the router takes it.
pub fn outgoing(
    plugins: &Plugins,
    generation: &Generation,
    text: &[u8],
    how: &SendHow,
    hop: u8,
) -> Result<Outgoing, Failure> {
    let (from, aim) = aim(plugins, generation, how, hop)?;
    Ok(Outgoing { text: Bytes::copy_from_slice(text), from, aim })
}

/// Who sends it and whom it is for.
pub fn aim(
    plugins: &Plugins,
    generation: &Generation,
    how: &SendHow,
    hop: u8,
) -> Result<(Arc<FromPlugin>, Aim), Failure> {
    let names = &plugins.router.directory.groups;
    let bits = |groups: &[String]| Bits::of(groups.iter().filter_map(|g| names.find(g)));
    let send = how.groups.as_deref().map_or_else(|| names.all(), bits);
    let from = FromPlugin {
        plugin: generation.name().clone(),
        hop,
        send,
        except_conns: how.exclude.conns.clone(),
        except_uids: how.exclude.uids.clone(),
        archive: how.archive,
        link: how.link.clone(),
        federated: how.federated,
        pace: Some(generation.pace.clone()),
    };
    let aim = aim_at(generation, &how.target, &bits)?;
    Ok((Arc::new(from), aim))
}

/// A target as the router understands it.
fn aim_at(generation: &Generation, target: &Target, bits: &dyn Fn(&[String]) -> Bits) -> Result<Aim, Failure> {
    Ok(match target {
        Target::All => Aim::All,
        Target::Groups(groups) => Aim::Groups(bits(groups)),
        Target::Conns(conns) => Aim::Conns(conns.clone()),
        Target::Callsigns(callsigns) => Aim::Callsigns(callsigns.clone()),
        Target::Uids(uids) => Aim::Uids(uids.clone()),
        Target::Addressed => Aim::Addressed,
        Target::Audience(name) => match generation.plugin.audiences.get(name) {
            Some(audience) => Aim::Audience(audience.members()),
            None => return refuse(failure::NOT_FOUND, format!("there is no audience {name:?}")),
        },
        Target::Several(targets) => {
            if targets.iter().any(|t| matches!(t, Target::Several(_) | Target::Addressed)) {
                return invalid("several targets in one: none of them is Addressed or Several");
            }
            Aim::Several(targets.iter().map(|t| aim_at(generation, t, bits)).collect::<Result<_, _>>()?)
        }
    })
}

/// Lets a held event go, behind its notices.
pub fn release(plugins: &Arc<Plugins>, generation: &Arc<Generation>, release: &Release) -> Result<(), Failure> {
    let one = let_go(plugins, generation, release)?;
    gone(plugins, generation, &[one]);
    Ok(())
}

/// Lets several go, in order and in one turn; those that are not, and why.
pub fn release_all(plugins: &Arc<Plugins>, generation: &Arc<Generation>, releases: &[Release]) -> Vec<(u64, String)> {
    let (mut all, mut refused) = (Vec::with_capacity(releases.len()), Vec::new());
    for release in releases {
        match let_go(plugins, generation, release) {
            Ok(one) => all.push(one),
            Err(failure) => refused.push((release.id, failure.message.into_string())),
        }
    }
    gone(plugins, generation, &all);
    refused
}

fn let_go(plugins: &Plugins, generation: &Generation, release: &Release) -> Result<LetGo, Failure> {
    let how = SendHow::from(release.target.clone());
    let (_, aim) = aim(plugins, generation, &how, 0)?;
    let hop = guard::doing().hop.saturating_add(1);
    let notices: Result<Vec<_>, _> =
        release.before.iter().map(|n| outgoing(plugins, generation, &n.text, &n.how, hop)).collect();
    let notices = notices?;
    let Some(seen) = generation.hands.held(release.id) else {
        return refuse(failure::NOT_FOUND, "this event is not held (any more)");
    };
    Ok(LetGo { notices, seen, aim })
}

fn gone(plugins: &Plugins, generation: &Generation, all: &[LetGo]) {
    let plugin = &generation.plugin;
    plugins.router.release(all);
    let ids: Vec<u64> = all.iter().map(|one| one.seen.journal).filter(|id| *id != 0).collect();
    if let Some(consumer) = super::super::consumer(plugins, plugin, HOLD).filter(|_| !ids.is_empty()) {
        consumer.done_many(&ids);
    }
    if !all.is_empty() {
        plugin.queue.went_on();
    }
    metrics::counter!("fts_plugin_released_total", "plugin" => plugin.name.to_string()).increment(all.len() as u64);
}

/// A held event cannot be stored now: it is given again after a pause.
pub fn later(generation: &Generation, id: u64) -> Result<(), Failure> {
    let Some(seen) = generation.hands.held(id) else {
        return refuse(failure::NOT_FOUND, "this event is not held (any more)");
    };
    let plugin = &generation.plugin;
    metrics::counter!("fts_plugin_put_off_total", "plugin" => plugin.name.to_string()).increment(1);
    plugin.queue.later(Spilled { id, held: true, served: seen.served.clone(), again: true });
    Ok(())
}

/// A held event goes nowhere.
pub fn discard(plugins: &Arc<Plugins>, generation: &Arc<Generation>, id: u64) -> Result<(), Failure> {
    let plugin = &generation.plugin;
    if generation.hands.held(id).is_some() {
        plugin.undelivered.fetch_add(1, Relaxed);
        Reason::Discarded.count(1);
        super::super::goes_nowhere(plugins, plugin, id);
    }
    Ok(())
}
