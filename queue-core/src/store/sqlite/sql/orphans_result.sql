-- orphans_result: results, and whether each expires, and is gone then: a worker deletes with each heartbeat what has expired.
-- Where none has lived for as long, nobody does, and nothing is said.
--
-- ?1 the first seq, ?2 how many, ?3 an hour ago, ?4 now (Unix ms)
-- Returns seq, kind (null for none), why
SELECT seq, CASE
    WHEN expires IS NULL THEN 'endless-result'
    WHEN expires < ?3 AND EXISTS (SELECT 1 FROM worker WHERE lease_ends > ?4 AND started < ?3) THEN 'expired'
  END, 'the result of ' || id || iif(expires IS NULL, ' does not expire', ' expired more than an hour ago')
FROM result WHERE seq >= ?1 ORDER BY seq LIMIT ?2;
