-- schedule: keep messages until they are due; those due already go into the list.
--
-- KEYS[1]  zset    "{list}:scheduled"
-- KEYS[2]  list    the list
-- KEYS[3]  channel "{list}:due": told of a due time before all others, so that waiting workers set their timers
-- ARGV[1]  number  added to the server's clock, ms
-- ARGV[2…] per message: when it is due, Unix ms; its bytes
-- Returns  how many went into the list
--
-- A sorted set holds a member once: the same bytes scheduled again, and bytes that begin with zero, are kept as
-- "\0<number>\0" and the bytes.
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local head = redis.call("ZRANGE", KEYS[1], 0, 0, "WITHSCORES")
local first = tonumber(head[2] or "inf")
local earliest, ready = first, 0
for i = 2, #ARGV, 2 do
  local due, message = tonumber(ARGV[i]), ARGV[i + 1]
  if due <= now then
    redis.call("LPUSH", KEYS[2], message)
    ready = ready + 1
  else
    local n, member = 0, message
    if string.byte(message, 1) == 0 then member = "\0" .. "0" .. "\0" .. message end
    while redis.call("ZADD", KEYS[1], "NX", due, member) == 0 do
      n = n + 1
      member = "\0" .. n .. "\0" .. message
    end
    if due < earliest then earliest = due end
  end
end
if earliest < first then redis.pcall("PUBLISH", KEYS[3], string.format("%d", earliest)) end
return ready
