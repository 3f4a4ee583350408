-- worker_id: the number of an incarnation that is signed on.
--
-- ?1 incarnation
SELECT id FROM worker WHERE incarnation = ?1;
