-- dead_insert: why a job is kept aside.
--
-- ?1 seq, ?2 the reason and its circumstances, JSON
INSERT INTO dead (seq, letter) VALUES (?1, ?2);
