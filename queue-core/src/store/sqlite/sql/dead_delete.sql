-- dead_delete: forgets why a job was kept aside.
--
-- ?1 seq
DELETE FROM dead WHERE seq = ?1;
