-- worker_insert: signs a worker on; nothing when the incarnation exists.
--
-- ?1 id, ?2 incarnation, ?3 hostname, ?4 pid, ?5 concurrency, ?6 queues (JSON array), ?7 now, ?8 end of the lease (Unix ms)
INSERT INTO worker (id, incarnation, hostname, pid, concurrency, queues, started, lease_ends)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (incarnation) DO NOTHING;
