-- result_old: what is stored under an id.
--
-- ?1 hash of the id, ?2 id
-- Returns seq, expires (Unix ms or null), the first 20 bytes
SELECT seq, expires, substr(meta, 1, 20) FROM result WHERE hash = ?1 AND id = ?2;
