//! Operations by name. Whatever is not here is answered `Unsupported`.
use std::{os::fd::IntoRawFd, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use super::{
    object::Object,
    record,
    state::{Owned, Shared},
};
use crate::{
    abi::{Failure, failure},
    message::{self, Bus, Contact, Hello, Metric, Panic, Phase, Release, Replay, op},
    shim,
};

/// Reads the arguments, packs the answer.
fn with<A: DeserializeOwned, B: Serialize>(
    args: &[u8],
    f: impl FnOnce(A) -> Result<B, Failure>,
) -> Result<Vec<u8>, Failure> {
    let args = message::unpack(args).map_err(|e| shim::failure(failure::INVALID, e.to_string()))?;
    f(args).map(|answer| message::pack(&answer))
}

impl Object {
    pub fn answer(&self, shared: &Arc<Shared>, operation: &str, args: &[u8]) -> Result<Vec<u8>, Failure> {
        let generation = self.generation;
        let (state, database) = (|| shared.lock(), &shared.database);
        match operation {
            op::HELLO => Ok(message::pack(&self.hello(shared))),
            op::DECLARE => with(args, |manifest| {
                state().manifest = manifest;
                Ok(())
            }),
            op::PANICKED => with(args, |panic: Panic| {
                shared.panicked(panic);
                Ok(())
            }),
            op::STATUS => with(args, |status| {
                state().status = status;
                Ok(())
            }),
            op::METRIC => with(args, |metric: Metric| {
                record::count(&mut state().metrics, &shared.name, &metric);
                Ok(())
            }),
            op::SERVER => Ok(message::pack(&state().server)),
            op::CLIENTS => with(args, |find| Ok(state().find(&find, &shared.name))),
            op::KICK => with(args, |(conn, reason): (u64, String)| {
                let mut state = state();
                state.may("kick")?;
                let there = state.gone(conn, &reason);
                if there {
                    state.kicked.push((conn, reason));
                }
                Ok(there)
            }),
            op::CONTACT_SET => with(args, |value: Contact| {
                let mut state = state();
                state.may("remote-contacts")?;
                state.contacts.insert(value.uid.clone(), Owned { value, generation });
                Ok(())
            }),
            op::CONTACT_REMOVE => with(args, |uid: String| {
                state().contacts.remove(&uid);
                Ok(())
            }),
            op::AUDIENCE_CREATE => with(args, |name| {
                state().audience_create(name, generation);
                Ok(())
            }),
            op::AUDIENCE_ADD => {
                with(args, |(name, members): (String, _)| state().audience_change(&name, members, true))
            }
            op::AUDIENCE_REMOVE => {
                with(args, |(name, members): (String, _)| state().audience_change(&name, members, false))
            }
            op::AUDIENCE_DELETE => with(args, |name: String| {
                state().audiences.remove(&name);
                Ok(())
            }),
            op::AUDIENCE_MEMBERS => {
                with(args, |name: String| Ok(state().members(&name)?.into_iter().collect::<Vec<u64>>()))
            }
            op::DEST_BIND => with(args, |bind| state().bind(bind, generation)),
            op::DEST_UNBIND => with(args, |unbind| {
                state().unbind(unbind);
                Ok(())
            }),
            op::LISTEN => with(args, |listen| shared.listen(listen)),
            op::RELEASE => with(args, |release| shared.release(release)),
            op::RELEASE_ALL => with(args, |all: Vec<Release>| {
                let one = |release: Release| (release.id, shared.release(release));
                let refused = all.into_iter().map(one).filter_map(|(id, done)| Some((id, done.err()?)));
                Ok(refused.map(|(id, why)| (id, why.message.into_string())).collect::<Vec<_>>())
            }),
            op::DISCARD => with(args, |id| shared.discard(id)),
            op::LATEST => with(args, |uids: Vec<String>| {
                let state = state();
                Ok(uids.iter().filter_map(|uid| state.latest.get(uid).cloned()).collect::<Vec<_>>())
            }),
            op::HISTORY_QUERY => with(args, |query| Ok(state().stored(&query))),
            op::HISTORY_TRACKS => with(args, |query| Ok(state().tracks(&query, shared.now()))),
            op::HISTORY_APPEND => with(args, |points| state().append(points, &shared.name)),
            op::LATER => with(args, |id| shared.later(id)),
            op::HISTORY_NOTIFY => with(args, |ask: message::Await| {
                let until = shared.now().saturating_add(i64::try_from(ask.limit.min(60_000)).unwrap_or(60_000));
                state().awaited.push((ask.number, ask.uid, until));
                Ok(())
            }),
            op::REPLAY_SET => with(args, |value: Replay| {
                super::deliver::admit(&value.text, shared.now()).map_err(|why| shim::failure(failure::INVALID, why))?;
                state().replays.insert(value.uid.clone(), Owned { value, generation });
                Ok(())
            }),
            op::REPLAY_REMOVE => with(args, |uid: String| {
                state().replays.remove(&uid);
                Ok(())
            }),
            op::USERS => with(args, |ask| Ok(state().users(&ask))),
            op::CERT_ISSUE => with(args, |order| state().issue(order, shared.now())),
            op::TOKENS => with(args, |ask| state().secret(ask)),
            op::SQL_MIGRATE => with(args, |steps: Vec<_>| database.migrate(&steps, shared.now())),
            op::SQL_EXEC => with(args, |statement| database.exec(&statement)),
            op::SQL_QUERY => with(args, |statement| database.query(&statement)),
            op::SQL_BEGIN | op::SQL_BEGIN_LAZY => database.begin().map(|()| message::pack(&())),
            op::SQL_COMMIT => database.commit().map(|()| message::pack(&())),
            op::SQL_ROLLBACK => database.rollback().map(|()| message::pack(&())),
            op::SQL_READ => database.begin_read().map(|()| message::pack(&())),
            op::SQL_READ_END => database.end_read().map(|()| message::pack(&())),
            op::SQL_CURSOR => with(args, |statement| database.cursor(&statement)),
            op::SQL_NEXT => with(args, |id| database.next(id)),
            op::SQL_CLOSE => with(args, |id| {
                database.close(id);
                Ok(())
            }),
            op::DIR => Ok(message::pack(&shared.dir.to_string_lossy())),
            op::KV_GET => with(args, |key: String| Ok(state().kv.get(&key).cloned().map(ByteBuf::from))),
            op::KV_SET => with(args, |set: message::KvSet| {
                let mut state = state();
                match set.value {
                    Some(value) => state.kv.insert(set.key, value.into_vec()),
                    None => state.kv.remove(&set.key),
                };
                Ok(())
            }),
            op::KV_KEYS => with(args, |prefix: String| {
                Ok(state().kv.keys().filter(|k| k.starts_with(&prefix)).cloned().collect::<Vec<_>>())
            }),
            op::CALL => with(args, |call| shared.call_fake(call).map(ByteBuf::from)),
            op::FIND => with(args, |name: String| Ok(state().fakes.has(&name))),
            op::PUBLISH => with(args, |Bus { topic, bytes }| Ok(shared.publish(topic, bytes.into_vec()))),
            op::FILES => with(args, |ask| {
                let now = shared.now();
                state().files(ask, &shared.dir, now)
            }),
            op::LINK_DIAL => with(args, |dial| shared.lock().dial(dial)),
            op::LINK_LISTEN => with(args, |listen| shared.lock().listen(listen)),
            op::LINK_WRITE => with(args, |write| shared.lock().link_write(write)),
            op::LINK_STARTTLS => {
                with(args, |(id, last, seen): (_, ByteBuf, _)| shared.lock().starttls(id, last.into_vec(), seen))
            }
            op::LINK_CLOSE => with(args, |id| shared.lock().link_close(id)),
            // The plugin owns the descriptor from now on.
            op::LINK_PAIR => with(args, |id| shared.lock().pair(id).map(IntoRawFd::into_raw_fd)),
            other => {
                Err(shim::failure(failure::UNSUPPORTED, format!("the mock does not know the operation {other:?}")))
            }
        }
    }

    fn hello(&self, shared: &Shared) -> Hello {
        let state = shared.lock();
        let saved = state.saved.clone().filter(|_| self.phase == Phase::Run);
        Hello {
            phase: self.phase,
            name: shared.name.clone(),
            config: state.config.clone(),
            saved: saved.map(ByteBuf::from),
            // The log of this thread is captured by other means.
            dynamic: false,
            server: state.server.clone(),
        }
    }
}
