-- tally_add: so many jobs more, or fewer.
--
-- ?1 queue id, ?2 kind, ?3 step, ?4 difference
INSERT INTO tally (queue, kind, step, n) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (queue, kind, step) DO UPDATE SET n = n + excluded.n;
