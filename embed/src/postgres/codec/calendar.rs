//! The Gregorian calendar in days since 2000-01-01, which is where PostgreSQL counts from.

pub(super) const DAY_US: i64 = 86_400_000_000;
/// 9999-12-31, Python's last day.
pub(super) const DAYS_MAX: i64 = 2_921_939;
/// 0001-01-01, Python's first day.
pub(super) const DAYS_MIN: i64 = -730_119;
/// Python's last and first moment.
pub(super) const US_MAX: i64 = (DAYS_MAX + 1) * DAY_US - 1;
pub(super) const US_MIN: i64 = DAYS_MIN * DAY_US;
/// The calendar repeats itself after 400 years.
const CYCLE_YEARS: i64 = 400;
const CYCLE_DAYS: i64 = 146_097;
/// From 0000-03-01, a day after which leap days come last, to 2000-01-01.
const MARCH_TO_EPOCH_DAYS: i64 = 730_425;

pub(super) fn is_within_python(days: i64) -> bool {
    (DAYS_MIN..=DAYS_MAX).contains(&days)
}

/// The year (0 is 1 BC), month and day of any day that PostgreSQL can count to.
pub(super) fn date(days: i64) -> (i32, u8, u8) {
    let days = days + MARCH_TO_EPOCH_DAYS;
    let cycle = days.div_euclid(CYCLE_DAYS);
    let day = days.rem_euclid(CYCLE_DAYS);
    // Leap days come after 1,460 days, but not after 36,524; the last of the cycle does.
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Five months take 153 days, from March and from August.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    let month = if is_next_year { month - 9 } else { month + 3 };
    let year = cycle * CYCLE_YEARS + year + i64::from(is_next_year);
    (
        i32::try_from(year).unwrap_or(i32::MAX),
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

/// The day's number.
pub(super) fn days(year: i32, month: u8, day: u8) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let cycle = year.div_euclid(CYCLE_YEARS);
    let year = year.rem_euclid(CYCLE_YEARS);
    let month = if month > 2 { month - 3 } else { month + 9 };
    let day = (153 * month + 2) / 5 + day - 1;
    let day = year * 365 + year / 4 - year / 100 + day;
    cycle * CYCLE_DAYS + day - MARCH_TO_EPOCH_DAYS
}

/// Hour, minute, second and microsecond.
pub(super) fn time(us: i64) -> (u8, u8, u8, u32) {
    let seconds = us / 1_000_000;
    let part = |value: i64| u8::try_from(value).unwrap_or_default();
    (
        part(seconds / 3_600),
        part(seconds / 60 % 60),
        part(seconds % 60),
        u32::try_from(us % 1_000_000).unwrap_or_default(),
    )
}

/// A moment that Python can tell.
pub(super) struct Moment {
    pub(super) date: (i32, u8, u8),
    pub(super) time: (u8, u8, u8, u32),
}

impl Moment {
    /// `None` for what is out of Python's range; the infinities are its ends.
    pub(super) fn of(us: i64) -> Option<Self> {
        let us = match us {
            i64::MAX => US_MAX,
            i64::MIN => US_MIN,
            us => us,
        };
        let days = us.div_euclid(DAY_US);
        is_within_python(days).then(|| Self {
            date: date(days),
            time: time(us.rem_euclid(DAY_US)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        assert_eq!(date(0), (2000, 1, 1));
        assert_eq!(date(59), (2000, 2, 29));
        assert_eq!(date(DAYS_MAX), (9999, 12, 31));
        assert_eq!(date(DAYS_MIN), (1, 1, 1));
        // The first day of PostgreSQL's calendar, 4713-11-24 BC in the Gregorian one.
        assert_eq!(date(-2_451_545), (-4713, 11, 24));
    }

    #[test]
    fn every_day_of_two_cycles_and_back() {
        let mut before = date(-200_001);
        for number in -200_000..200_000 {
            let (year, month, day) = date(number);
            assert_eq!(days(year, month, day), number);
            assert!((year, month, day) > before);
            before = (year, month, day);
        }
    }
}
