-- result_expire: deletes a slice of the results whose time is over.
--
-- ?1 now (Unix ms), ?2 how many at most
DELETE FROM result WHERE seq IN (
  SELECT seq FROM result INDEXED BY result_expires WHERE expires <= ?1 ORDER BY expires LIMIT ?2
);
