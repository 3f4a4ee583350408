-- result_insert: stores a result.
--
-- ?1 seq, ?2 hash of the id, ?3 id, ?4 expires (Unix ms or null), ?5 bytes
INSERT INTO result (seq, hash, id, expires, meta) VALUES (?1, ?2, ?3, ?4, ?5);
