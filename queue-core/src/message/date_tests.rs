use super::*;

fn read(text: &str) -> Option<String> {
    parse_date(text).map(|at| at.to_string())
}

#[test]
fn what_a_worker_reads_is_read() {
    for (text, expected) in [
        ("2026-11-22T20:37:14.663492+00:00", "2026-11-22T20:37:14.663Z"),
        ("2026-11-22T20:37:14Z", "2026-11-22T20:37:14.000Z"),
        ("2026-11-22 20:37:14.5", "2026-11-22T20:37:14.500Z"),
        ("2026-11-22T20:37", "2026-11-22T20:37:00.000Z"),
        ("2026-11-22", "2026-11-22T00:00:00.000Z"),
        ("2026-11-22T22:37:14.663492123+02:00", "2026-11-22T20:37:14.663Z"),
        ("2026-11-22T15:07:14-0530", "2026-11-22T20:37:14.000Z"),
        ("2024-02-29T00:00:00+01", "2024-02-28T23:00:00.000Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ] {
        assert_eq!(read(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_is_no_date_is_refused() {
    for text in [
        "",
        "soon",
        "1795380812",
        "2026-13-01T00:00:00",
        "2026-02-30",
        "2026-11-22T25:00:00",
        "2026-11-22T20:37:14.",
        "2026-11-22T20:37:14+",
        "2026-11-22T20:37:14+25:00",
        "2026-11-22T20:37:14+1",
        "2026-11-22TT20:37",
        "2026-11-22T20",
        "22.11.2026 20:37",
        "2026-11-22T20:37:14.6x",
        "2026-11-2é0:37:14",
        "+026-11-22",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn dates_are_written_as_the_clock_writes_them() {
    let day = 86_400_000;
    for ms in (-800_000..3_000_000).step_by(371).map(|day_number| day_number * day + day_number * 9_973 % day) {
        let at = Timestamp::from_millis(ms);
        let mut out = Vec::new();
        write_date(&mut out, at);
        assert_eq!(String::from_utf8(out).unwrap(), at.to_celery());
    }
}
