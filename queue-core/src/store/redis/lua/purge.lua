-- purge: delete whole keys without blocking the server, and say how many messages the first kind held.
--
-- KEYS     the keys to delete
-- ARGV     per key: "list" or "zset" to count its members, "" not to
-- Returns  how many messages there were
local n = 0
for i, key in ipairs(KEYS) do
  if ARGV[i] == "list" then n = n + redis.call("LLEN", key) elseif ARGV[i] == "zset" then n = n + redis.call("ZCARD", key) end
  redis.call("UNLINK", key)
end
return n
