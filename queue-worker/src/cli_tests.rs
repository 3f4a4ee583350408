use super::*;

fn flags(line: &str) -> Result<Flags, clap::Error> {
    Flags::try_parse_from(std::iter::once("queue-worker").chain(line.split_whitespace()))
}

fn queue(name: &str, weight: Option<u32>) -> WeightedQueue {
    WeightedQueue { queue: QueueName::new(name).unwrap(), weight }
}

#[test]
fn queues_come_in_order_with_or_without_weights() {
    let flags = flags("-Q mail:3,celery:1,app:reports").unwrap();
    assert_eq!(flags.queues, [queue("mail", Some(3)), queue("celery", Some(1)), queue("app:reports", None)]);
}

#[test]
fn times_are_written_as_people_write_them() {
    let flags = flags("--grace 1m30s --result-ttl 2h").unwrap();
    assert_eq!(flags.grace, Some(Duration::from_secs(90)));
    assert_eq!(flags.result_ttl, Some(Duration::from_secs(7200)));
}

#[test]
fn without_flags_nothing_is_decided_but_the_store() {
    let flags = flags("--url sqlite:jobs.db").unwrap();
    assert_eq!(flags.url, "sqlite:jobs.db");
    assert!(flags.queues.is_empty() && flags.concurrency.is_none() && flags.grace.is_none());
    assert_eq!(flags.log_format, LogFormat::Text);
}

#[test]
fn a_worker_may_scale_and_tell() {
    let told = flags("-E --autoscale 10,3").unwrap();
    assert!(told.task_events);
    assert_eq!(told.autoscale, Some(Autoscale { most: 10, least: 3 }));
    assert_eq!(flags("--autoscale 4").unwrap().autoscale, Some(Autoscale { most: 4, least: 1 }));
}

#[test]
fn the_probe_has_a_host_by_name_or_by_address() {
    for place in ["localhost:9091", "0.0.0.0:0", "[::1]:9091", "probe.internal:80"] {
        assert_eq!(flags(&format!("--probe {place}")).unwrap().probe.as_deref(), Some(place));
    }
    let why = flags("--probe 9091").unwrap_err().to_string();
    assert!(why.contains("9091") && why.contains("like localhost:9091"), "{why}");
}

#[test]
fn what_is_too_much_is_refused_with_what_is_possible() {
    for (line, most) in [("--threads 100000", "1024"), ("-c 1000000", "100000"), ("--prefetch 1000000", "100000")] {
        let why = flags(line).unwrap_err().to_string();
        assert!(why.contains(&format!("at most {most} are possible")), "{line}: {why}");
    }
    assert!(flags("--threads 1024 -c 100000 --prefetch 100000").is_ok());
}

#[test]
fn nonsense_is_refused() {
    for line in [
        "-c 0",
        "-c many",
        "--threads 0",
        "--threads 1025",
        "-c 100001",
        "-c 18446744073709551615",
        "-c 18446744073709551616",
        "--prefetch 100001",
        "--prefetch 18446744073709551615",
        "--autoscale 100001,1",
        "-Q mail:0",
        "-Q mail,,celery",
        "--grace soon",
        "--log-format xml",
        "--log-level a=b",
        "--autoscale 2,4",
        "--autoscale 0",
        "--autoscale 4,2 -c 3",
        "--probe localhost",
        "--probe :9091",
        "--probe localhost:http",
        "--probe localhost:65536",
    ] {
        assert!(flags(line).is_err(), "{line}");
    }
}
