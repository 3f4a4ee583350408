-- dead_retry: put dead letters of one list back into it, their counts of deaths forgotten.
--
-- KEYS     the list, "{list}:dead", "{list}:dead:why", "{list}:dead:message", "{list}:deaths"
-- ARGV     per letter: entry, the message to enqueue
-- Returns  how many were still there
local n = 0
for i = 1, #ARGV, 2 do
  local old = redis.call("HGET", KEYS[4], ARGV[i])
  if old and redis.call("ZSCORE", KEYS[2], ARGV[i]) then
    redis.call("LPUSH", KEYS[1], ARGV[i + 1])
    redis.call("HDEL", KEYS[5], redis.sha1hex(old), redis.sha1hex(ARGV[i + 1]))
    redis.call("ZREM", KEYS[2], ARGV[i])
    redis.call("HDEL", KEYS[3], ARGV[i])
    redis.call("HDEL", KEYS[4], ARGV[i])
    n = n + 1
  end
end
return n
