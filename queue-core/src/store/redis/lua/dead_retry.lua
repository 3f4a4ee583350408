-- dead_retry: put dead letters of one list back into it, their counts of deaths forgotten.
--
-- KEYS     the list, "{list}:dead", "{list}:dead:why", "{list}:dead:message", "{list}:deaths", "{list}:suspects"
-- ARGV[1]  string  how a message of ours begins that Python must never see: it goes among the suspects
-- ARGV[2…] per letter: entry, the message to enqueue
-- Returns  how many were still there
local n = 0
for i = 2, #ARGV, 2 do
  local old = redis.call("HGET", KEYS[4], ARGV[i])
  if old and redis.call("ZSCORE", KEYS[2], ARGV[i]) then
    local internal = string.sub(ARGV[i + 1], 1, #ARGV[1]) == ARGV[1]
    redis.call("LPUSH", internal and KEYS[6] or KEYS[1], ARGV[i + 1])
    -- Whatever is at that key: the letter is in the list already.
    redis.pcall("HDEL", KEYS[5], redis.sha1hex(old), redis.sha1hex(ARGV[i + 1]))
    redis.call("ZREM", KEYS[2], ARGV[i])
    redis.call("HDEL", KEYS[3], ARGV[i])
    redis.call("HDEL", KEYS[4], ARGV[i])
    n = n + 1
  end
end
return n
