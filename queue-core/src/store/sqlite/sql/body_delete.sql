-- body_delete: the bytes of a job that is done.
--
-- ?1 seq
DELETE FROM body WHERE seq = ?1;
