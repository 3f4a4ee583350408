-- orphans_revoked: marks of revoked tasks, and whether each is gone when its time is over; see orphans_result.
--
-- ?1 the first id, ?2 how many, ?3 an hour ago, ?4 now (Unix ms)
-- Returns id, kind (null for none), why
SELECT id, CASE
    WHEN until < ?3 AND EXISTS (SELECT 1 FROM worker WHERE lease_ends > ?4 AND started < ?3) THEN 'expired'
  END, 'the mark of a revoked task expired more than an hour ago'
FROM revoked WHERE id >= ?1 ORDER BY id LIMIT ?2;
