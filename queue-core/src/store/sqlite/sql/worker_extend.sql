-- worker_extend: a sign of life; clears suspicion.
--
-- ?1 worker id, ?2 end of the lease (Unix ms)
UPDATE worker SET lease_ends = ?2, silent_since = NULL WHERE id = ?1;
