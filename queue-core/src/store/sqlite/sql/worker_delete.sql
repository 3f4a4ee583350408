-- worker_delete: signs a worker off.
--
-- ?1 worker id
DELETE FROM worker WHERE id = ?1;
