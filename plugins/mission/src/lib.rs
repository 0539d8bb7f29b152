//! Missions ("Data Sync"): shared sets of map items and files with members, roles, a history and notices (mission.md).
//!
//! `model` what a mission is made of · `store` the tables · `desk` what every handler gets · `write` the write path:
//! one transaction, then audiences and notices, in order · `notice`, `notice_xml` what clients are told · `downloads`, `turns` who is
//! told of a file only later · `roll` who gets what (destinations and audiences) · `intake` events sent to missions · `items` map items in and out · `strict` uids that are of missions only · `caller`, `token`
//! who asks, with what role · `book`, `visit` how an endpoint is registered and what it gets · `params`, `window`,
//! `draft` what requests say · `present`, `answer`, `refusal` what they are answered · `routes` one file per family ·
//! `seed` the missions every server has · `chat` rooms of chats · `past` events of a uid for whoever asks the host · `actions`
//! the FTS REST API · `service` what other plugins ask, `edits` what they are told · `package`, `archive` (`pack`, `manifest`), `keepsake` (that of an ended mission), `backup` zips in and out, `fts` missions of a FreeTAKServer · `upkeep`, `expiry`,
//! `arrival` what happens by itself.
//!
//! An event for a mission: `roll` lets the host hold it, `intake` stores it (`items`, `write`), and releases notice and event.
//! A request: `book` finds mission, role and permission, a handler of `routes` writes through `desk.write`.
use std::{sync::Arc, time::Duration};

use fts_plugin_api::{
    export_plugin,
    sdk::{
        Auth, Band, DELETE, FETCHED, GET, Host, Listeners, POST, PUT, Plugin, Registrar, Result, Scope, StopReason,
        Verdict, missions::Missions,
    },
};

mod actions;
mod adding;
mod answer;
mod archive;
mod arrival;
mod backup;
mod book;
mod caller;
mod chat;
mod config;
mod desk;
mod downloads;
mod draft;
mod edits;
mod expiry;
mod feed;
mod fts;
mod intake;
mod invite;
mod items;
mod keepsake;
mod linked;
mod manifest;
mod model;
mod notice;
mod notice_xml;
mod online;
mod pack;
mod package;
mod params;
mod part;
mod past;
mod present;
mod refusal;
mod rewind;
mod roll;
mod routes;
mod seed;
mod service;
mod store;
mod strict;
mod token;
mod tree;
mod turns;
mod upkeep;
mod visit;
mod window;
mod work;
mod write;

use book::{ANYBODY, Book};
pub use config::{Config, Size};
use desk::Desk;
use expiry::Expiry;
use model::Permission as P;
use routes::{
    archived, changes, contacts, contents, cops, cot, create, delete, expiration, externals, feeds, hierarchy,
    invitations, keywords, layers, lists, logs, maplayers, members, password, read, roles, subscription, update,
};
use upkeep::Upkeep;

/// The plugin.
pub struct Mission {
    desk: Arc<Desk>,
}

impl Plugin for Mission {
    type Config = Config;
    const CAPABILITIES: &'static [&'static str] = &["bind-dest", "intercept", "provide", "routes", "tokens"];
    const ABOUT: &'static str = "missions (Data Sync): shared map items and files with members, roles and a history";

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    fn start(config: Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        let desk = Arc::new(Desk::open(host, config)?);
        events(reg, &desk);
        timers(reg, &desk);
        questions(reg, &desk);
        requests(&mut Book::new(reg, &desk));
        Ok(Self { desk })
    }

    fn stop(&mut self, reason: StopReason) {
        // Everything that was answered is in the database. When the server ends, clients come again and read what was new.
        if matches!(reason, StopReason::Reload | StopReason::Disable) {
            downloads::stop(&self.desk);
        }
    }
}

/// What clients send to missions, and what passes through feeds.
fn events(reg: &mut Registrar<'_>, desk: &Arc<Desk>) {
    if let Some(strict) = desk.strict.clone() {
        // Not a guard: were the plugin down, those would stop everything.
        reg.intercept("*", Band::Rewrite, move |event, _| strict.judge(event));
    }
    let d = desk.clone();
    reg.intercept("b-t-f", Band::Rewrite, move |event, cx| chat::rewrite(&d, event, cx));
    let d = desk.clone();
    reg.intercept_keyed(feed::TAP, desk.feeds.wanted(), Band::Tap, 0, move |event, cx| {
        d.feeds.pass(&d, event, cx);
        Verdict::Pass
    });
    let d = desk.clone();
    reg.held_batch(move |held| intake::take(&d, held));
}

/// What happens by itself.
fn timers(reg: &mut Registrar<'_>, desk: &Arc<Desk>) {
    let second = Duration::from_secs(1);
    let (d, mut upkeep) = (desk.clone(), Upkeep::default());
    reg.every(60 * second, move || upkeep.tick(&d));
    let (d, mut expiry) = (desk.clone(), Expiry::default());
    reg.every(second, move || expiry.tick(&d));
    let d = desk.clone();
    reg.every(second, move || arrival::complete(&d));
    if desk.config.concurrent_downloads > 0 {
        let d = desk.clone();
        reg.every(second, move || downloads::tick(&d));
    }
}

/// What the server, other plugins and the FTS REST API ask.
fn questions(reg: &mut Registrar<'_>, desk: &Arc<Desk>) {
    let d = desk.clone();
    reg.history_source(move |ask| past::answer(&d, ask));
    let d = desk.clone();
    reg.deletion(move |deletion| linked::deletion(&d, deletion));
    let d = desk.clone();
    reg.file_reader(move |ask| linked::may_read(&d, ask));
    let d = desk.clone();
    reg.import(move |section, rows| fts::import(&d, section, rows));
    let d = desk.clone();
    reg.subscribe("resource.changed", move |bytes| linked::changed(&d, bytes));
    if desk.config.concurrent_downloads > 0 {
        let d = desk.clone();
        reg.subscribe(FETCHED, move |bytes| downloads::fetched(&d, bytes));
    }
    let d = desk.clone();
    reg.provide::<Missions, _>(move |ask| service::answer(&d, ask));
    let d = desk.clone();
    reg.action("mission", "GetMissions", Scope::Admin, move |arguments| actions::list(&d, &arguments));
    let d = desk.clone();
    reg.action("mission", "GetMission", Scope::Admin, move |arguments| actions::get(&d, &arguments));
}

/// Every endpoint; M-numbers of mission.md 3 are in the handlers' files.
fn requests(book: &mut Book<'_, '_>) {
    book.plain(GET, "/missions", lists::list);
    book.plain(GET, "/pagedmissions", lists::page);
    book.plain(GET, "/missioncount", lists::count);
    book.at(GET, "/MissionTable", Listeners::REST, Auth::Scope(Scope::Read), lists::list);

    for method in [PUT, POST] {
        book.plain(method, "/missions/{name}", create::put);
    }
    for method in [PUT, POST] {
        book.guid_only(method, "", P::Write, update::put);
    }
    book.on(GET, "", ANYBODY, read::get);
    book.on(DELETE, "", P::Write, delete::delete);
    book.plain(DELETE, "/missions", delete::by_query);
    book.on(GET, "/token", ANYBODY, read::token);

    book.on(PUT, "/contents", P::Write, contents::put);
    // `uid` names an item, not who asks.
    book.on_member(DELETE, "/contents", P::Write, contents::delete);
    book.on(GET, "/contacts", P::Read, contacts::list);
    book.on(GET, "/changes", P::Read, changes::list);
    book.on(GET, "/cot", P::Read, cot::dump);
    book.on(PUT, "/contents/missionpackage", P::Write, routes::package::put);
    book.on(PUT, "/copy", P::Read, routes::copy::put);
    book.on(GET, "/archive", P::Read, archived::get);
    book.on(POST, "/send", P::Read, archived::send);

    book.on(PUT, "/subscription", ANYBODY, subscription::put);
    book.on(GET, "/subscription", ANYBODY, subscription::get);
    book.on_member(DELETE, "/subscription", P::Read, subscription::delete);

    book.on(PUT, "/password", P::SetPassword, password::put);
    book.on(DELETE, "/password", P::SetPassword, password::delete);
    book.on(PUT, "/expiration", P::Write, expiration::put);
    roles::register(book);
    members::register(book);
    invitations::register(book);
    keywords::register(book);

    routes::admin::register(book);
    cops::register(book);
    logs::register(book);
    hierarchy::register(book);
    externals::register(book);
    feeds::register(book);
    maplayers::register(book);
    layers::register(book);
}

export_plugin!(Mission);
