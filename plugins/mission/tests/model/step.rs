//! What happens in a case of `model_check.rs`, one step after the other.
use proptest::prelude::*;

use super::CLIENTS;

/// Numbers point at clients and missions, modulo how many there are.
#[derive(Clone, Debug)]
pub enum Step {
    Create { by: usize, groups: u8, default: usize, closed: u8 },
    Subscribe { by: usize, mission: usize, how: u8 },
    Leave { by: usize, mission: usize, whom: usize, only_disconnect: bool },
    SetRole { by: usize, mission: usize, whom: usize, role: usize },
    Invite { by: usize, mission: usize, whom: usize, kind: usize },
    Withdraw { by: usize, mission: usize, whom: usize, kind: usize },
    Send { by: usize, first: usize, second: Option<usize>, named: Option<usize> },
    Remove { by: usize, mission: usize },
    Keywords { by: usize, mission: usize, of_item: bool },
    Regroup { by: usize, mission: usize, groups: u8 },
    Delete { by: usize, mission: usize, expire: bool },
    Reconnect { whom: usize, stay_away: bool },
    Move { whom: usize, groups: u8 },
    Read { by: usize, mission: usize },
}

pub fn step() -> impl Strategy<Value = Step> {
    let n = 0..CLIENTS.len();
    let m = 0..16_usize;
    prop_oneof![
        4 => (n.clone(), 1..8_u8, 0..3_usize, 0..16_u8)
            .prop_map(|(by, groups, default, closed)| Step::Create { by, groups, default, closed }),
        8 => (n.clone(), m.clone(), 0..4_u8).prop_map(|(by, mission, how)| Step::Subscribe { by, mission, how }),
        2 => (n.clone(), m.clone(), n.clone(), any::<bool>())
            .prop_map(|(by, mission, whom, only_disconnect)| Step::Leave { by, mission, whom, only_disconnect }),
        3 => (n.clone(), m.clone(), n.clone(), 0..4_usize)
            .prop_map(|(by, mission, whom, role)| Step::SetRole { by, mission, whom, role }),
        3 => (n.clone(), m.clone(), n.clone(), 0..4_usize)
            .prop_map(|(by, mission, whom, kind)| Step::Invite { by, mission, whom, kind }),
        1 => (n.clone(), m.clone(), n.clone(), 0..4_usize)
            .prop_map(|(by, mission, whom, kind)| Step::Withdraw { by, mission, whom, kind }),
        10 => (n.clone(), m.clone(), proptest::option::of(m.clone()), proptest::option::weighted(0.2, n.clone()))
            .prop_map(|(by, first, second, named)| Step::Send { by, first, second, named }),
        1 => (n.clone(), m.clone()).prop_map(|(by, mission)| Step::Remove { by, mission }),
        2 => (n.clone(), m.clone(), any::<bool>())
            .prop_map(|(by, mission, of_item)| Step::Keywords { by, mission, of_item }),
        1 => (n.clone(), m.clone(), 1..8_u8).prop_map(|(by, mission, groups)| Step::Regroup { by, mission, groups }),
        1 => (n.clone(), m.clone(), any::<bool>()).prop_map(|(by, mission, expire)| Step::Delete { by, mission, expire }),
        2 => (n.clone(), any::<bool>()).prop_map(|(whom, stay_away)| Step::Reconnect { whom, stay_away }),
        1 => (n.clone(), 0..8_u8).prop_map(|(whom, groups)| Step::Move { whom, groups }),
        6 => (n, m).prop_map(|(by, mission)| Step::Read { by, mission }),
    ]
}
