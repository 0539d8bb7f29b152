//! Emergencies: kept, repeated until cancelled, shown to newcomers (kml-emergency-reports.md b; cot.md 7.2).
//!
//! An alert of a client is taken into the table on its way to the receivers (`intake`), stored behind it (`store`),
//! repeated by a timer (`repeat`) and shown to whoever comes later (`newcomer`). Operators raise and cancel alerts
//! over REST (`rest`), look at them (`listing`) and at what repeats (`repeater`); other plugins ask the service
//! (`alerts`). Without this plugin emergencies are relayed like anything else and nothing repeats.
use std::{sync::Arc, time::Duration};

use fts_plugin_api::{
    export_plugin,
    sdk::{
        Auth, Band, DELETE, Filter, GET, Host, HttpError, Listeners, Observer, POST, Plugin, Registrar, Request,
        Response, Result, Scope, StopReason, alerts::Alerts, details, types,
    },
};

mod alert;
mod alerts;
mod config;
mod desk;
mod intake;
mod kind;
mod listing;
mod newcomer;
mod policy;
mod reach;
#[cfg(test)]
mod recovery_tests;
mod refusal;
mod repeat;
mod repeater;
mod rest;
#[cfg(test)]
mod samples;
mod store;
mod table;
mod wire;

pub use config::{CancelPolicy, Config};
use desk::Desk;

/// The plugin.
pub struct Emergency {
    desk: Arc<Desk>,
}

impl Plugin for Emergency {
    type Config = Config;
    const CAPABILITIES: &'static [&'static str] = &["intercept", "provide", "routes"];
    const ABOUT: &'static str = "emergencies: kept, repeated until cancelled, shown to newcomers";

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    fn start(config: Config, reg: &mut Registrar<'_>, host: Host) -> Result<Self> {
        let desk = Arc::new(Desk::open(host, config)?);
        events(reg, &desk);
        requests(reg, &desk);
        actions(reg, &desk);
        Ok(Self { desk })
    }

    fn stop(&mut self, _: StopReason) {
        // What cannot be written now comes again from the journal.
        let _ = self.desk.flush();
    }
}

/// What says that somebody is in trouble, or no longer.
fn emergencies() -> Filter {
    types(["b-a-*"]).or(details(["emergency"]))
}

fn events(reg: &mut Registrar<'_>, desk: &Arc<Desk>) {
    let d = desk.clone();
    reg.intercept(emergencies(), Band::Rewrite, move |event, cx| intake::rewrite(&d, event, cx));
    if desk.config.radius_km > 0.0 {
        let d = desk.clone();
        reg.intercept(emergencies(), Band::Address, move |event, cx| intake::narrow(&d, event, cx));
    }
    let d = desk.clone();
    reg.observe(Observer::reliable(emergencies()), move |event, route| intake::observe(&d, event, route));
    let (d, door) = (desk.clone(), newcomer::Door::default());
    reg.clients(move |event| {
        newcomer::greet(&d, &door, event);
        Vec::new()
    });
    let (d, clock) = (desk.clone(), repeat::Clock::default());
    let tick = Duration::from_millis(desk.config.tick().unsigned_abs());
    reg.every(tick, move || repeat::tick(&d, &clock));
    let d = desk.clone();
    reg.provide::<Alerts, _>(move |ask| alerts::answer(&d, ask));
}

fn requests(reg: &mut Registrar<'_>, desk: &Arc<Desk>) {
    let rest = Listeners::REST | Listeners::ADMIN;
    let (read, write) = (Auth::Scope(Scope::Read), Auth::Scope(Scope::Write));
    let on = |f: fn(&Desk, &mut Request) -> Result<Response, HttpError>| {
        let desk = desk.clone();
        move |request: &mut Request| f(&desk, request)
    };
    reg.route(GET, "/ManageEmergency/getEmergency", rest, read, on(|d, r| Ok(rest::list(d, r))));
    reg.route(POST, "/ManageEmergency/postEmergency", rest, write, on(rest::post));
    reg.route(DELETE, "/ManageEmergency/deleteEmergency", rest, write, on(rest::delete));
    reg.route(GET, "/api/alerts", rest, read, on(|d, r| listing::list(d, r)));

    let marti = Listeners::MARTI | Listeners::ADMIN;
    reg.route(GET, "/Marti/api/repeater/list", marti, Auth::Admin, on(|d, _| Ok(repeater::list(d))));
    reg.route(GET, "/Marti/api/repeater/period", marti, Auth::Admin, on(|d, _| Ok(repeater::period(d))));
    reg.route(POST, "/Marti/api/repeater/period", marti, Auth::Admin, on(repeater::set_period));
    for method in [GET, DELETE] {
        reg.route(method, "/Marti/api/repeater/remove/{uid}", marti, Auth::Admin, on(|d, r| repeater::remove(d, r)));
    }
}

fn actions(reg: &mut Registrar<'_>, desk: &Arc<Desk>) {
    type Action = fn(&Desk, &serde_json::Value) -> Result<serde_json::Value>;
    let all: [(&str, Action); 3] = [
        ("GetAllEmergencies", rest::action_list),
        ("EmergencyAlert", rest::action_alert),
        ("EmergencyCancelled", rest::action_cancel),
    ];
    for (name, f) in all {
        let desk = desk.clone();
        reg.action("emergency", name, Scope::Admin, move |arguments| f(&desk, &arguments));
    }
}

export_plugin!(Emergency);
