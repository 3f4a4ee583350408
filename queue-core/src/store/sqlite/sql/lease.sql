-- lease: the oldest ready jobs of one step of a queue go into a worker's hands.
--
-- ?1 worker id, ?2 queue id, ?3 0 or 1: suspects, ?4 step, ?5 how many at most
-- Returns seq, pos, deaths, redelivered, payload; in no order
UPDATE job SET state = 2, owner = ?1
WHERE seq IN (
  SELECT seq FROM job INDEXED BY job_ready
  WHERE state = 0 AND queue = ?2 AND suspect = ?3 AND step = ?4 ORDER BY pos LIMIT ?5
)
RETURNING seq, pos, deaths, redelivered, (SELECT payload FROM body WHERE body.seq = job.seq);
