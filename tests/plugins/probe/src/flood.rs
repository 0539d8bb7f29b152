//! Sends without end what must not be dropped, and heeds `Busy`: nothing is given up, it is sent later.
use std::time::{Duration, Instant};

use fts_plugin_api::sdk::*;
use serde_json::{Value, json};

/// How often it sent and was told to wait, what the error said, and whom it named.
pub fn run(host: &Host, time: Duration, bytes: usize) -> Result<Value> {
    let until = Instant::now() + time;
    let filler = " ".repeat(bytes);
    let (mut sent, mut busy, mut said) = (0_u64, 0_u64, String::new());
    while Instant::now() < until {
        let event = host.cot().build("b-m-p-s-m").uid(format!("flood-{sent}")).child("remarks", &[], &filler);
        match host.cot().send(&event.build().map_err(|e| Error::new(e.to_string()))?, Send::all()) {
            Ok(()) => sent += 1,
            Err(error) if error.code() == Code::Busy => {
                (busy, said) = (busy + 1, error.to_string());
                std::thread::park_timeout(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(json!({"sent": sent, "busy": busy, "said": said}))
}
