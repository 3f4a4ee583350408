-- queue_list: every queue ever seen, sorted.
--
-- Returns name
SELECT name FROM queue ORDER BY name;
