-- held_one: a job of one queue that a worker holds.
--
-- ?1 seq, ?2 worker id, ?3 queue id
-- Returns step, suspect, deaths, redelivered, payload
SELECT step, suspect, deaths, redelivered, payload FROM job JOIN body USING (seq)
WHERE seq = ?1 AND state = 2 AND owner = ?2 AND queue = ?3;
