//! [`Schedule`]: `backup.schedule`, `daily HH:MM` in UTC: when the next backup by itself is due. It only ever looks at the
//! time it is given. A clock that is set back puts the next one off by a day at most; over a time the machine slept
//! through, or a clock set forward, one is made, not one for each day.
use fts_plugin_api::cot::Millis;

const DAY: Millis = 86_400_000;
/// A clock that is corrected by less than this, just behind a backup, does not cause another one.
const SLACK: Millis = 3_600_000;

/// See the file's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// Of the day.
    minute: i64,
    next: Millis,
}

impl Schedule {
    /// None = it is not understood.
    pub fn read(text: &str, now: Millis) -> Option<Self> {
        let (hour, minute) = text.trim().strip_prefix("daily ")?.trim().split_once(':')?;
        let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
        let minute = ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some(hour * 60 + minute)?;
        Some(Self { minute, next: next(now, minute) })
    }

    /// Is it time? Yes is said once for each.
    pub fn due(&mut self, now: Millis) -> bool {
        if self.next - now > DAY + SLACK {
            self.next = next(now, self.minute);
        }
        let due = now >= self.next;
        if due {
            self.next = next(now, self.minute);
        }
        due
    }
}

/// When that minute is next.
fn next(now: Millis, minute: i64) -> Millis {
    let today = now - now.rem_euclid(DAY) + minute * 60_000;
    if today > now { today } else { today + DAY }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Midnight of a day.
    const MIDNIGHT: Millis = 20_000 * DAY;

    fn at(hour: i64, minute: i64) -> Millis {
        MIDNIGHT + (hour * 60 + minute) * 60_000
    }

    #[test]
    fn once_a_day_at_its_minute() {
        let mut daily = Schedule::read("daily 03:15", at(3, 14)).unwrap();
        assert!(!daily.due(at(3, 14)) && !daily.due(at(3, 15) - 1));
        assert!(daily.due(at(3, 15)) && !daily.due(at(3, 15)) && !daily.due(at(23, 59)));
        assert!(!daily.due(at(27, 14)) && daily.due(at(27, 16)), "the next day, also when nobody looked in time");
        let mut begun_at_it = Schedule::read("daily 03:15", at(3, 15)).unwrap();
        assert!(!begun_at_it.due(at(3, 16)) && begun_at_it.due(at(27, 15)));
    }

    #[test]
    fn the_clock_may_jump() {
        let mut daily = Schedule::read("daily 00:00", at(1, 0)).unwrap();
        assert!(daily.due(at(24 * 40, 30)) && !daily.due(at(24 * 40, 31)), "forty days later: one");
        // Set back by all of them: the next one is that of the day it is now.
        assert!(!daily.due(at(1, 0)) && daily.due(at(24, 0)));
        // Corrected by a minute just behind a backup: not again.
        assert!(!daily.due(at(23, 59)) && !daily.due(at(24, 0)) && daily.due(at(48, 0)));
    }

    #[test]
    fn what_is_no_schedule() {
        for text in ["", "daily", "daily 24:00", "daily 3", "daily 03:60", "hourly", "daily -1:00", "daily a:b"] {
            assert_eq!(Schedule::read(text, 0), None, "{text}");
        }
        assert!(Schedule::read("daily  3:5 ", 0).is_some());
    }
}
