-- payload: the bytes of a job.
--
-- ?1 seq
SELECT payload FROM body WHERE seq = ?1;
