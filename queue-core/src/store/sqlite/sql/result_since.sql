-- result_since: results stored after a moment, in order.
--
-- ?1 the last seq that is known, ?2 how many at most
-- Returns seq, id, bytes
SELECT seq, id, meta FROM result WHERE seq > ?1 ORDER BY seq LIMIT ?2;
