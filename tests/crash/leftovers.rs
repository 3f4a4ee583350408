//! Nothing is left on a Redis server, once all has come to its end, but what expires by itself.

/// Keys that are for ever by design.
const FOR_EVER: [&str; 2] = ["queue:queues", "queue:revoked:version"];

/// Looks at every key there is, and gives their names: the server is the test's own.
pub(crate) fn keys(url: &str) -> Vec<String> {
    let mut server = redis::Client::open(url).unwrap().get_connection().unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut server).unwrap();
    for key in &keys {
        let ttl: i64 = redis::cmd("TTL").arg(key).query(&mut server).unwrap();
        // Below -1 it has come to its end since.
        assert!(ttl != -1 || FOR_EVER.contains(&key.as_str()), "{key} never goes; there are {keys:?}");
        let kind: String = redis::cmd("TYPE").arg(key).query(&mut server).unwrap();
        assert_ne!(kind, "list", "{key} holds messages");
    }
    keys
}
