//! When a device replaces its key.

use fleet_contracts::UnixMillis;

/// Between two looks, in seconds: what the service says may change, and so may clocks.
const LONGEST: u64 = 24 * 3600;
const SHORTEST: u64 = 1;

/// What to do about the key now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Replace it.
    Now,
    /// Look again after so many seconds.
    Later(u64),
}

/// What to do at `now`, in seconds since 1970 by the service's clock, with a key that should be replaced
/// from `rotate_at` on and ends at `expires_at`.
///
/// Devices that were enrolled together do not rotate together: the time is stretched by up to half of
/// what is left of the key's life after it.
pub fn due(
    rotate_at: Option<UnixMillis>,
    expires_at: Option<UnixMillis>,
    now: u64,
    random: &mut dyn FnMut() -> f64,
) -> Due {
    let Some(rotate_at) = rotate_at.map(|at| at.0 / 1000) else {
        return Due::Later(LONGEST);
    };
    if rotate_at <= now {
        return Due::Now;
    }
    let end = expires_at.map_or(rotate_at, |at| at.0 / 1000);
    let spread = portion(end.saturating_sub(rotate_at) / 2, random());
    let wait = (rotate_at - now).saturating_add(spread);
    Due::Later(wait.clamp(SHORTEST, LONGEST))
}

/// After `failures` looks in a row that came to nothing: seconds until the next. Each costs the device
/// a process and the service a call, and there are days left.
pub fn again(failures: u32, random: &mut dyn FnMut() -> f64) -> u64 {
    let base = 60_u64.saturating_mul(1 << failures.min(10)).min(6 * 3600);
    base / 2 + portion(base / 2, random())
}

fn portion(of: u64, random: f64) -> u64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "seconds of less than a year, times less than one"
    )]
    let part = (of as f64 * random.clamp(0.0, 1.0)) as u64;
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1000)
    }

    #[test]
    fn a_key_is_replaced_from_its_time_on_and_looked_at_once_a_day_until_then() {
        let none = &mut || 0.0;
        assert_eq!(due(Some(at(60)), Some(at(90)), 59, none), Due::Later(1));
        assert_eq!(
            due(Some(at(60)), Some(at(90)), 59, &mut || 1.0),
            Due::Later(16)
        );
        assert_eq!(due(Some(at(60)), Some(at(90)), 60, none), Due::Now);
        assert_eq!(due(Some(at(60)), Some(at(90)), 95, none), Due::Now);
        assert_eq!(due(None, Some(at(90)), 80, none), Due::Later(LONGEST));
        let days = 24 * 3600;
        assert_eq!(
            due(Some(at(60 * days)), Some(at(90 * days)), days, none),
            Due::Later(LONGEST)
        );
    }

    proptest! {
        #[test]
        fn the_next_look_is_neither_at_once_nor_never(
            rotate in any::<u32>(), life in any::<u32>(), now in any::<u32>(), random in 0.0..1.0_f64,
            failures in any::<u32>(),
        ) {
            let rotate = u64::from(rotate);
            let end = rotate + u64::from(life);
            if let Due::Later(wait) = due(Some(at(rotate)), Some(at(end)), now.into(), &mut || random) {
                prop_assert!((1..=LONGEST).contains(&wait));
            }
            let wait = again(failures, &mut || random);
            prop_assert!((30..=6 * 3600).contains(&wait));
        }
    }
}
