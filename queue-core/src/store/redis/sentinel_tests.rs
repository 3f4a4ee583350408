use super::*;

fn taken(url: &str) -> (String, String, Vec<String>) {
    let (plain, sentinels) = take_out(url).unwrap();
    let sentinels = sentinels.unwrap();
    (plain.into_owned(), sentinels.master, sentinels.nodes.into_iter().map(|node| node.name).collect())
}

#[test]
fn one_url_names_them_all() {
    let url = "redis+sentinel://ann:s3cret@h1:26380,h2,[::1]:7/mymaster/2?sentinel_password=pw&prefix=a%26b";
    let (plain, master, nodes) = taken(url);
    assert_eq!(plain, "redis://ann:s3cret@master.invalid/2?prefix=a%26b");
    assert_eq!((master.as_str(), nodes), ("mymaster", vec!["h1:26380".into(), "h2:26379".into(), "[::1]:7".into()]));
    assert_eq!(taken("rediss+sentinel://h1/m").0, "rediss://master.invalid/0");
}

#[test]
fn celerys_urls_are_understood() {
    let (plain, master, nodes) = taken("sentinel://:pw@h1:26379/1;sentinel://h2:26379/1?master_name=cluster1");
    assert_eq!(plain, "redis://:pw@master.invalid/1");
    assert_eq!((master.as_str(), nodes), ("cluster1", vec!["h1:26379".into(), "h2:26379".into()]));
}

#[test]
fn a_sentinel_has_a_password_of_its_own() {
    let (_, sentinels) = take_out("redis+sentinel://:one@h/m?sentinel_user=u&sentinel_password=two").unwrap();
    let sentinels = sentinels.unwrap();
    let info = sentinels.nodes[0].client.get_connection_info().redis_settings();
    assert_eq!((info.username(), info.password()), (Some("u"), Some("two")));
    let told = format!("{sentinels:?}");
    assert!(!told.contains("two"), "{told}");
}

#[test]
fn what_is_wrong_is_said_without_secrets() {
    for (url, word) in [
        ("sentinel://:s3cret@h1:26379/0", "name of the master"),
        ("redis+sentinel://:s3cret@/mymaster", "no sentinel"),
        ("redis+sentinel://:s3cret@h1/mymaster/x", "database"),
        ("redis+sentinel://:s3cret@h1:port/mymaster", "h1:port"),
        ("redis+sentinel://:s3c/s3cret@h1/mymaster/x", "database"),
        ("redis+sentinel://ann:s3cret/s3cret@h1:port/mymaster", "h1:port"),
        ("sentinel://:s3cret@h1/0;redis://:s3cret@h2/0?master_name=m", "sentinel://"),
    ] {
        let why = take_out(url).map(drop).unwrap_err();
        assert!(why.contains(word) && !why.contains("s3cret"), "{url}: {why}");
    }
}

#[test]
fn a_new_master_is_news_once() {
    let (_, sentinels) = take_out("redis+sentinel://h1,h2/m").unwrap();
    let sentinels = sentinels.unwrap();
    assert_eq!(sentinels.switched(0, "other 1.1.1.1 1 2.2.2.2 2"), None);
    assert_eq!(sentinels.switched(1, "m 1.1.1.1 1 2.2.2.2 2").as_deref(), Some("2.2.2.2:2"));
    assert_eq!(sentinels.first.load(Ordering::Relaxed), 1);
    assert_eq!(sentinels.switched(0, "m 1.1.1.1 1 2.2.2.2 2"), None);
    assert_eq!(sentinels.switched(0, "m 2.2.2.2 2 1.1.1.1 1").as_deref(), Some("1.1.1.1:1"));
    assert_eq!(sentinels.switched(0, "nonsense"), None);
}

#[test]
fn others_stay_as_they_are() {
    for url in ["redis://h/0?prefix=a", "rediss://h", "unix:///tmp/x", "sqlite:a.db"] {
        let (same, none) = take_out(url).unwrap();
        assert!(same == url && none.is_none());
    }
}
