//! [`Gate`]: how many connections are open, all together and per address (RULE-75).
use std::{collections::HashMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

/// See the file's head; shared by all listeners.
#[derive(Debug)]
pub struct Gate {
    most: usize,
    most_per_ip: usize,
    open: Mutex<(usize, HashMap<IpAddr, usize>)>,
}

/// A place behind the gate, given back when dropped.
#[derive(Debug)]
pub struct Seat {
    gate: Arc<Gate>,
    ip: Option<IpAddr>,
}

impl Gate {
    /// `most` connections in all, `most_per_ip` from one address (0 = no such limit).
    pub fn new(most: usize, most_per_ip: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_ip, open: Mutex::default() })
    }

    /// A place, or which limit is reached.
    pub fn enter(self: &Arc<Self>, ip: IpAddr) -> Result<Seat, &'static str> {
        let mut open = self.open.lock();
        let from_here = open.1.get(&ip).copied().unwrap_or(0);
        if open.0 >= self.most {
            return Err("server.max_connections");
        }
        if self.most_per_ip > 0 && from_here >= self.most_per_ip {
            return Err("server.max_connections_per_ip");
        }
        open.0 += 1;
        open.1.insert(ip, from_here + 1);
        Ok(Seat { gate: self.clone(), ip: Some(ip) })
    }

    /// A place for a connection whose address is not known yet: it comes through a proxy.
    pub fn enter_unnamed(self: &Arc<Self>) -> Result<Seat, &'static str> {
        let mut open = self.open.lock();
        if open.0 >= self.most {
            return Err("server.max_connections");
        }
        open.0 += 1;
        Ok(Seat { gate: self.clone(), ip: None })
    }
}

impl Seat {
    /// The proxy said whose connection it is.
    pub fn name(&mut self, ip: IpAddr) -> Result<(), &'static str> {
        let mut open = self.gate.open.lock();
        let from_here = open.1.entry(ip).or_default();
        if self.gate.most_per_ip > 0 && *from_here >= self.gate.most_per_ip {
            return Err("server.max_connections_per_ip");
        }
        *from_here += 1;
        self.ip = Some(ip);
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.gate.open.lock();
        open.0 -= 1;
        let Some(ip) = self.ip else { return };
        if let Some(n) = open.1.get_mut(&ip) {
            *n -= 1;
            if *n == 0 {
                open.1.remove(&ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_75_limits_and_seats_given_back() {
        let gate = Gate::new(3, 2);
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let seats = [gate.enter(a).unwrap(), gate.enter(a).unwrap()];
        assert_eq!(gate.enter(a).unwrap_err(), "server.max_connections_per_ip");
        let third = gate.enter(b).unwrap();
        assert_eq!(gate.enter(b).unwrap_err(), "server.max_connections");
        drop((seats, third));
        let mut through_proxy =
            [gate.enter_unnamed().unwrap(), gate.enter_unnamed().unwrap(), gate.enter_unnamed().unwrap()];
        assert_eq!(gate.enter_unnamed().unwrap_err(), "server.max_connections");
        assert_eq!(through_proxy.iter_mut().map(|s| s.name(a).is_ok()).collect::<Vec<_>>(), [true, true, false]);
        drop(through_proxy);
        assert_eq!(*gate.open.lock(), (0, HashMap::new()));
    }
}
