-- result_delete: removes a result.
--
-- ?1 seq
DELETE FROM result WHERE seq = ?1;
