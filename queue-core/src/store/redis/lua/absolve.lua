-- absolve: a suspect has run long enough; from now on it is an ordinary message of its worker.
--
-- KEYS[1]  list    the suspect the worker holds; a string is the tombstone of a reclaimed worker
-- KEYS[2]  list    what the worker holds
-- ARGV[1]  string  the message
-- Returns  1, or 0 when the lease was lost
if redis.call("TYPE", KEYS[1]).ok ~= "list" then return 0 end
if not redis.call("LPOS", KEYS[1], ARGV[1]) then return 0 end
redis.call("LPUSH", KEYS[2], ARGV[1])
redis.call("LREM", KEYS[1], 1, ARGV[1])
return 1
