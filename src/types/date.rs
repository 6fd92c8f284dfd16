//! Dates of orders as shops and tills send them: ISO 8601 with or without a zone, or milliseconds since 1970.

use jiff::Timestamp;
use jiff::civil;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use time::{Duration, OffsetDateTime};

use super::page::Dates;

/// How far ahead of our clock a till's clock may run.
const AHEAD_MAX: Duration = Duration::hours(48);
/// 2000-01-01T00:00:00Z, in seconds since 1970: older orders are typing errors.
const EARLIEST_SECONDS: i64 = 946_684_800;

/// An offset from UTC is less than a day.
const OFFSET_SECONDS_END: u32 = 24 * 60 * 60;

/// Why a text is no date of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDate {
    #[error("is not a date; write 2026-08-01T12:00:00Z, with any offset, or milliseconds since 1970")]
    NotADate,
    #[error("must lie between the year 2000 and 48 hours from now")]
    OutOfRange,
}

/// A time zone by its name in the IANA database, such as `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of that name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl From<String> for Zone {
    /// Reads a stored name. A zone that has left the database since counts as UTC.
    fn from(stored: String) -> Self {
        Self::named(&stored).unwrap_or(Self(TimeZone::UTC))
    }
}

/// Reads the date of an order. A date without an offset is meant in `zone`; a day alone is its midnight there.
pub fn parse_order_date(text: &str, zone: &Zone, now: OffsetDateTime) -> Result<OffsetDateTime, InvalidDate> {
    let moment = parse_moment(text.trim_matches(' '), zone).ok_or(InvalidDate::NotADate)?;
    let in_range = moment.unix_timestamp() >= EARLIEST_SECONDS && moment <= now + AHEAD_MAX;
    if in_range { Ok(moment) } else { Err(InvalidDate::OutOfRange) }
}

/// Reads a date that bounds a list: a day alone is all of it in `zone`, anything else one moment.
pub fn parse_stretch(text: &str, zone: &Zone) -> Result<Dates, InvalidDate> {
    let text = text.trim_matches(' ');
    let day = day_of(text);
    let Some(from) = parse_moment(text, zone) else {
        // Some write the last day there is and mean for ever; where it ends is past what can be reckoned.
        let is_for_ever = Pieces::parse(text).is_ok_and(|pieces| pieces.date().year() == 9999);
        let end = Dates::ALL.until;
        return if is_for_ever { Ok(Dates { from: end, until: end }) } else { Err(InvalidDate::NotADate) };
    };
    let until = match day {
        Some(day) => day.tomorrow().ok().and_then(|next| from_local(next.at(0, 0, 0, 0), zone)),
        None => Some(from + Duration::MICROSECOND),
    };
    Ok(Dates { from, until: until.unwrap_or(Dates::ALL.until) })
}

/// The day that a text names without a time of day.
fn day_of(text: &str) -> Option<civil::Date> {
    let pieces = Pieces::parse(text).ok()?;
    pieces.time().is_none().then(|| pieces.date())
}

fn parse_moment(text: &str, zone: &Zone) -> Option<OffsetDateTime> {
    if !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_digit()) && text.len() >= 9 {
        return from_micros(text.parse::<i64>().ok()?.checked_mul(1_000)?);
    }
    // A leap second would silently become the second before it.
    let is_iso = text.len() <= 40 && text.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(":60");
    if !is_iso || text.contains('[') {
        return None;
    }
    // jiff takes offsets that are longer than those that ISO 8601 can write.
    let offset = Pieces::parse(text).ok()?.to_numeric_offset();
    if offset.is_some_and(|offset| offset.seconds().unsigned_abs() >= OFFSET_SECONDS_END) {
        return None;
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return from_micros(instant.as_microsecond());
    }
    let local =
        text.parse::<civil::DateTime>().or_else(|_| text.parse::<civil::Date>().map(|day| day.at(0, 0, 0, 0))).ok()?;
    from_local(local, zone)
}

fn from_local(local: civil::DateTime, zone: &Zone) -> Option<OffsetDateTime> {
    from_micros(zone.0.to_timestamp(local).ok()?.as_microsecond())
}

fn from_micros(micros: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-08-01 12:00 UTC);

    fn parse(text: &str) -> Result<OffsetDateTime, InvalidDate> {
        parse_order_date(text, &Zone::named("America/New_York").expect("zone"), NOW)
    }

    #[test]
    fn dates_are_read_in_every_form_shops_send() {
        let good = [
            ("2026-03-22T20:05:45Z", datetime!(2026-03-22 20:05:45 UTC)),
            ("2016-03-22 20:05:45.074247-07:00", datetime!(2016-03-23 03:05:45.074247 UTC)),
            ("2026-03-22T20:05:45", datetime!(2026-03-23 00:05:45 UTC)),
            ("2026-01-02", datetime!(2026-01-02 05:00 UTC)),
            ("1767225600000", datetime!(2026-01-01 00:00 UTC)),
        ];
        for (text, moment) in good {
            assert_eq!(parse(text), Ok(moment), "{text}");
        }
    }

    #[test]
    fn dates_that_cannot_be_are_refused() {
        for bad in [
            "",
            "2026-02-30",
            "294277-01-01",
            "infinity",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00+25:00",
            "yesterday",
            "20",
        ] {
            assert_eq!(parse(bad), Err(InvalidDate::NotADate), "{bad}");
        }
        for bad in ["0000-01-01", "1999-12-31T23:59:59Z", "2026-08-03T12:00:01Z", "9999-01-01"] {
            assert_eq!(parse(bad), Err(InvalidDate::OutOfRange), "{bad}");
        }
        assert!(parse("2026-08-03T11:59:59Z").is_ok());
    }

    #[test]
    fn a_day_alone_is_all_of_it_in_its_zone_and_anything_else_one_moment() {
        let zone = Zone::named("America/New_York").expect("zone");
        let day = |text| parse_stretch(text, &zone);
        let instant = datetime!(2026-03-22 20:05:45 UTC);
        let good = [
            ("2026-01-02", datetime!(2026-01-02 05:00 UTC), datetime!(2026-01-03 05:00 UTC)),
            // The day on which clocks go forward has 23 hours.
            ("2026-03-08", datetime!(2026-03-08 05:00 UTC), datetime!(2026-03-09 04:00 UTC)),
            ("2026-03-22T20:05:45Z", instant, instant + Duration::MICROSECOND),
            ("2026-03-22 16:05:45", instant, instant + Duration::MICROSECOND),
            ("1767225600000", datetime!(2026-01-01 0:00 UTC), datetime!(2026-01-01 0:00:00.000001 UTC)),
            ("1999-12-31", datetime!(1999-12-31 05:00 UTC), datetime!(2000-01-01 05:00 UTC)),
            ("9999-12-31", Dates::ALL.until, Dates::ALL.until),
            ("9999-12-31T23:59:59Z", Dates::ALL.until, Dates::ALL.until),
        ];
        for (text, from, until) in good {
            assert_eq!(day(text), Ok(Dates { from, until }), "{text}");
        }
        for bad in
            ["", "2026-02-30", "2026-13-01", "yesterday", "20", "2026-08-01T12:00:00+25:00", "1785283200000000000"]
        {
            assert_eq!(day(bad), Err(InvalidDate::NotADate), "{bad}");
        }
    }
}
