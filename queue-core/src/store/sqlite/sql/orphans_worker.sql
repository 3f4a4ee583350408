-- orphans_worker: workers, and whether each was gone for an hour.
--
-- ?1 the first id, ?2 how many, ?3 an hour ago (Unix ms)
-- Returns id, kind (null for none), why
SELECT id, CASE WHEN lease_ends < ?3 THEN 'lost-worker' END, 'gone for more than an hour: ' || hostname
FROM worker WHERE id >= ?1 ORDER BY id LIMIT ?2;
