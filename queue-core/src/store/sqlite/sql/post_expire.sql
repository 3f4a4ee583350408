-- post_expire: deletes a slice of the posts whose time is over.
--
-- ?1 now (Unix ms), ?2 how many at most
DELETE FROM post WHERE seq IN (SELECT seq FROM post WHERE expires <= ?1 ORDER BY expires LIMIT ?2);
