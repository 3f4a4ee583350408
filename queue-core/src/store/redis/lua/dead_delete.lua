-- dead_delete: delete dead letters of one list.
--
-- KEYS     "{list}:dead", "{list}:dead:why", "{list}:dead:message"
-- ARGV     the entries
-- Returns  how many were there
local n = redis.call("ZREM", KEYS[1], unpack(ARGV))
redis.call("HDEL", KEYS[2], unpack(ARGV))
redis.call("HDEL", KEYS[3], unpack(ARGV))
return n
