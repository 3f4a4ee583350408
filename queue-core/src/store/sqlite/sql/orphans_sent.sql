-- orphans_sent: idempotency keys, and whether each is gone when it has expired; see orphans_result.
--
-- ?1 the first key, ?2 how many, ?3 an hour ago, ?4 now (Unix ms)
-- Returns key, kind (null for none), why
SELECT key, CASE
    WHEN expires < ?3 AND EXISTS (SELECT 1 FROM worker WHERE lease_ends > ?4 AND started < ?3) THEN 'expired'
  END, 'the idempotency key expired more than an hour ago'
FROM sent WHERE key >= ?1 ORDER BY key LIMIT ?2;
