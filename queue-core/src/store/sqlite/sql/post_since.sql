-- post_since: a slice of the posts newer than one, oldest first.
--
-- ?1 seq of the last one seen, ?2 how many at most
-- Returns seq, topic, payload
SELECT seq, topic, payload FROM post WHERE seq > ?1 ORDER BY seq LIMIT ?2;
