-- orphans_dead: reasons of dead letters, and whether each has its dead letter.
--
-- ?1 the first seq, ?2 how many
-- Returns seq, kind (null for none), why
SELECT dead.seq, CASE WHEN job.state IS NOT 3 THEN 'torn' END, 'the reason of a dead letter that is none'
FROM dead LEFT JOIN job ON job.seq = dead.seq
WHERE dead.seq >= ?1 ORDER BY dead.seq LIMIT ?2;
