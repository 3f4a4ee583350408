-- body_replace: other bytes for a job, unless they are the same.
--
-- ?1 seq, ?2 payload
UPDATE body SET payload = ?2 WHERE seq = ?1 AND payload <> ?2;
