-- worker_alive: one row while a worker is signed on.
--
-- ?1 worker id
SELECT 1 FROM worker WHERE id = ?1;
