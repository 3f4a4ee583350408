-- orphans_post: posts, and whether each is gone when it has expired; see orphans_result.
--
-- ?1 the first seq, ?2 how many, ?3 an hour ago, ?4 now (Unix ms)
-- Returns seq, kind (null for none), why
SELECT seq, CASE
    WHEN expires < ?3 AND EXISTS (SELECT 1 FROM worker WHERE lease_ends > ?4 AND started < ?3) THEN 'expired'
  END, 'the post expired more than an hour ago'
FROM post WHERE seq >= ?1 ORDER BY seq LIMIT ?2;
