-- orphans_chord: chords, and whether each expires, and is gone then, unless it is claimed; see orphans_result.
--
-- ?1 the first name, ?2 how many, ?3 an hour ago, ?4 now (Unix ms)
-- Returns name, kind (null for none), why
SELECT name, CASE
    WHEN expires IS NULL THEN 'endless-chord'
    WHEN expires < ?3 AND claim_ends < ?3 AND EXISTS (SELECT 1 FROM worker WHERE lease_ends > ?4 AND started < ?3)
      THEN 'expired'
  END, iif(expires IS NULL, 'the chord does not expire', 'the chord expired more than an hour ago')
FROM chord WHERE name >= ?1 ORDER BY name LIMIT ?2;
