-- orphans_producer: producers, and whether each number is gone when it has expired; see orphans_result.
--
-- ?1 the first name, ?2 how many, ?3 an hour ago, ?4 now (Unix ms)
-- Returns name, kind (null for none), why
SELECT name, CASE
    WHEN min(expires) < ?3 AND EXISTS (SELECT 1 FROM worker WHERE lease_ends > ?4 AND started < ?3) THEN 'expired'
  END, 'a number of this producer expired more than an hour ago'
FROM producer WHERE name >= ?1 GROUP BY name ORDER BY name LIMIT ?2;
