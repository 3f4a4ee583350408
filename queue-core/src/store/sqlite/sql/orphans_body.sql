-- orphans_body: messages, and whether each has its job.
--
-- ?1 the first seq, ?2 how many
-- Returns seq, kind (null for none), why
SELECT body.seq, CASE WHEN job.seq IS NULL THEN 'torn' END, 'a message without its job'
FROM body LEFT JOIN job ON job.seq = body.seq
WHERE body.seq >= ?1 ORDER BY body.seq LIMIT ?2;
