-- orphans_group: saved groups, and whether each expires, and is gone then; see orphans_result.
--
-- ?1 the first id, ?2 how many, ?3 an hour ago, ?4 now (Unix ms)
-- Returns id, kind (null for none), why
SELECT id, CASE
    WHEN expires IS NULL THEN 'endless-result'
    WHEN expires < ?3 AND EXISTS (SELECT 1 FROM worker WHERE lease_ends > ?4 AND started < ?3) THEN 'expired'
  END, iif(expires IS NULL, 'the saved group does not expire', 'the saved group expired more than an hour ago')
FROM group_meta WHERE id >= ?1 ORDER BY id LIMIT ?2;
