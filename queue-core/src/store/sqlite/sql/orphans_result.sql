-- orphans_result: results, and whether each expires.
--
-- ?1 the first seq, ?2 how many
-- Returns seq, kind (null for none), why
SELECT seq, CASE WHEN expires IS NULL THEN 'endless-result' END, 'the result of ' || id || ' does not expire'
FROM result WHERE seq >= ?1 ORDER BY seq LIMIT ?2;
