-- orphans_tally: the counts of jobs, and whether each is right. Reads all jobs, at once: counts change with what they count.
--
-- ?1 the first, as queue id * 1000 + kind * 10 + step; ?2 how many
-- Returns that number, kind (null for none), why
WITH there AS (
  SELECT queue * 1000 + iif(state = 0 AND suspect = 1, 4, state) * 10 + step AS place, count(*) AS n FROM job GROUP BY 1
), said AS (
  SELECT queue * 1000 + kind * 10 + step AS place, n FROM tally
)
SELECT coalesce(there.place, said.place) AS place,
  CASE WHEN coalesce(there.n, 0) <> coalesce(said.n, 0) THEN 'miscounted' END,
  'counted as ' || coalesce(said.n, 0) || ', there are ' || coalesce(there.n, 0)
FROM there FULL OUTER JOIN said ON said.place = there.place
WHERE coalesce(there.place, said.place) >= ?1 ORDER BY 1 LIMIT ?2;
