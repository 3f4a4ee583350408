-- producer_expire: deletes a slice of the numbers whose time is over.
--
-- ?1 now (Unix ms), ?2 how many at most
DELETE FROM producer WHERE (name, lane) IN (
  SELECT name, lane FROM producer INDEXED BY producer_expires WHERE expires <= ?1 ORDER BY expires LIMIT ?2
);
