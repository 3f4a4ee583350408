-- post_insert: publishes.
--
-- ?1 seq, ?2 topic, ?3 expires (Unix ms), ?4 payload
INSERT INTO post (seq, topic, expires, payload) VALUES (?1, ?2, ?3, ?4);
