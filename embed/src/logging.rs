//! Log lines of the supervisor and the shards on stderr, one write each.

use std::fmt::{self, Display, Write as _};
use std::io::Write as _;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How much a line matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For who looks for a fault.
    Debug,
    /// What happens in the ordinary course.
    Info,
    /// What somebody should look at.
    Warning,
    /// What went wrong.
    Error,
}

impl Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object per line, for machines.
    Json,
    /// For who sits before it: no times, and an answer is its method, path, status and time.
    Short,
}

/// The colours of short lines, as the parameters of SGR (ECMA-48, section 8.3.117).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// What did not happen at all, or hardly.
    Dim = 2,
    /// What failed.
    Red = 31,
    /// What went well.
    Green = 32,
    /// What somebody should look at.
    Yellow = 33,
    /// What leads elsewhere.
    Cyan = 36,
}

/// Who writes, and how.
#[derive(Clone, Copy, Debug)]
struct Settings {
    format: Format,
    shard: Option<usize>,
}

static COLOR: AtomicBool = AtomicBool::new(false);
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);
static SETTINGS: RwLock<Settings> = RwLock::new(Settings {
    format: Format::Text,
    shard: None,
});

/// Says what this process logs and how; `shard` is its index, `None` for the supervisor.
pub fn configure(level: Level, format: Format, shard: Option<usize>) {
    LEVEL.store(level as u8, Ordering::Relaxed);
    // A poisoned lock holds a value that is good all the same.
    *SETTINGS.write().unwrap_or_else(|lock| lock.into_inner()) = Settings { format, shard };
}

/// Says whether this process's short lines have colours; they have none before.
pub fn set_color(color: bool) {
    COLOR.store(color, Ordering::Relaxed);
}

/// Whether lines are short.
pub fn is_short() -> bool {
    SETTINGS
        .read()
        .unwrap_or_else(|lock| lock.into_inner())
        .format
        == Format::Short
}

/// The text in a colour, if there are colours.
pub fn paint(text: &str, ink: Ink) -> String {
    if COLOR.load(Ordering::Relaxed) {
        format!("\x1b[{}m{text}\x1b[0m", ink as u8)
    } else {
        text.to_owned()
    }
}

/// Whether a line of this level is written; ask before building a costly one.
pub fn enabled(level: Level) -> bool {
    level as u8 >= LEVEL.load(Ordering::Relaxed)
}

/// Writes one line if its level is enabled.
pub fn log(level: Level, message: impl Display) {
    log_with(level, message, &[]);
}

/// Writes one line with named values: `name=value` in text, members in JSON.
pub fn log_with(level: Level, message: impl Display, fields: &[(&str, Value)]) {
    if !enabled(level) {
        return;
    }
    let settings = *SETTINGS.read().unwrap_or_else(|lock| lock.into_inner());
    let now = SystemTime::now();
    let line = match settings.format {
        Format::Text => text_line(now, level, settings.shard, &message, fields),
        Format::Json => json_line(now, level, settings.shard, &message, fields),
        Format::Short => short_line(level, &message),
    };
    // A log that cannot be written has nobody left to tell.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Writes one line at `Level::Debug`.
pub fn debug(message: impl Display) {
    log(Level::Debug, message);
}

/// Writes one line at `Level::Info`.
pub fn info(message: impl Display) {
    log(Level::Info, message);
}

/// Writes one line at `Level::Warning`.
pub fn warning(message: impl Display) {
    log(Level::Warning, message);
}

/// Writes one line at `Level::Error`.
pub fn error(message: impl Display) {
    log(Level::Error, message);
}

fn text_line(
    now: SystemTime,
    level: Level,
    shard: Option<usize>,
    message: &dyn Display,
    fields: &[(&str, Value)],
) -> String {
    let mut line = format!("{} {level:<7} ", Timestamp(now));
    // Writing to a String cannot fail.
    let _ = match shard {
        Some(index) => write!(line, "[shard {index}] {message}"),
        None => write!(line, "[supervisor] {message}"),
    };
    for (name, value) in fields {
        let _ = write!(line, " {name}={value}");
    }
    line.push('\n');
    line
}

fn short_line(level: Level, message: &dyn Display) -> String {
    let ink = match level {
        Level::Debug => Ink::Dim,
        Level::Info => Ink::Green,
        Level::Warning => Ink::Yellow,
        Level::Error => Ink::Red,
    };
    // Padded before it is painted, for the colour has no width.
    let level = paint(&format!("{:<8}", level.to_string()), ink);
    format!("{level}{message}\n")
}

fn json_line(
    now: SystemTime,
    level: Level,
    shard: Option<usize>,
    message: &dyn Display,
    fields: &[(&str, Value)],
) -> String {
    let mut object = serde_json::Map::new();
    object.insert("time".into(), Timestamp(now).to_string().into());
    object.insert("level".into(), level.to_string().into());
    object.insert("shard".into(), shard.into());
    object.insert("message".into(), message.to_string().into());
    for (name, value) in fields {
        object.insert((*name).to_owned(), value.clone());
    }
    let mut line = Value::Object(object).to_string();
    line.push('\n');
    line
}

/// A time in UTC to the millisecond, as RFC 3339 writes it.
struct Timestamp(SystemTime);

impl Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let millisecond = since.subsec_millis();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
        )
    }
}

/// Year, month and day of a number of days since 1970-01-01.
///
/// Counted in eras of 400 years that begin on the first of March, so that the leap day comes
/// last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_timestamp_knows_leap_days() {
        let at = |seconds| Timestamp(UNIX_EPOCH + Duration::from_millis(seconds)).to_string();
        assert_eq!(at(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(at(951_827_696_789), "2000-02-29T12:34:56.789Z");
        assert_eq!(at(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
        assert_eq!(at(1_709_251_200_000), "2024-03-01T00:00:00.000Z");
    }

    #[test]
    fn a_text_line_names_its_writer_and_values() {
        let fields = [("status", Value::from(200))];
        let line = text_line(UNIX_EPOCH, Level::Warning, Some(3), &"GET /", &fields);
        assert_eq!(
            line,
            "1970-01-01T00:00:00.000Z warning [shard 3] GET / status=200\n"
        );
    }

    #[test]
    fn a_short_line_is_only_painted_when_asked() {
        assert_eq!(short_line(Level::Info, &"ready"), "info    ready\n");
        set_color(true);
        let painted = short_line(Level::Error, &"lost");
        set_color(false);
        assert_eq!(painted, "\x1b[31merror   \x1b[0mlost\n");
    }

    #[test]
    fn a_json_line_stays_one_line() {
        let line = json_line(UNIX_EPOCH, Level::Error, None, &"two\nlines", &[]);
        assert_eq!(line.matches('\n').count(), 1);
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["message"], "two\nlines");
        assert_eq!(value["shard"], Value::Null);
    }

    #[test]
    fn a_level_below_the_threshold_is_not_enabled() {
        assert!(Level::Error > Level::Warning);
        assert!(Level::Warning > Level::Info);
        assert!(Level::Info > Level::Debug);
    }
}
