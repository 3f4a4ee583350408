-- promote: move due messages of some lists into them, a bounded number each.
--
-- KEYS     three per list: "{list}:scheduled", the list, "{list}:suspects"
-- ARGV[1]  number  added to the server's clock, ms
-- ARGV[2]  number  how many per list at most
-- ARGV[3]  string  how a message of ours begins that Python must never see: it goes among the suspects
-- Returns  {moved, the next due time in ms or -1, the server's time in ms}
--
-- What belongs into a key that holds something else stays where it is, and its due time is not told; where the sorted set is none,
-- nothing is due. The other lists go on.
-- A member that begins with a zero byte is "\0<number>\0" and the message (see enqueue.lua).
-- A removal first: a server at its memory limit refuses only a script's first write, and this step must go on there.
local ready = redis.pcall("ZREM", KEYS[1], "")
if type(ready) == "table" and not string.find(ready.err, "WRONGTYPE", 1, true) then return ready end
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local moved, next_due = 0, -1
for i = 1, #KEYS, 3 do
  local barred = false
  local due = redis.pcall("ZRANGE", KEYS[i], "-inf", now, "BYSCORE", "LIMIT", 0, ARGV[2])
  if due.err then
    if not string.find(due.err, "WRONGTYPE", 1, true) then return due end
    barred, due = true, {}
  end
  for _, member in ipairs(due) do
    local message = member
    if string.byte(member, 1) == 0 then message = string.sub(member, string.find(member, "\0", 2, true) + 1) end
    local internal = string.sub(message, 1, #ARGV[3]) == ARGV[3]
    local pushed = redis.pcall("LPUSH", KEYS[internal and i + 2 or i + 1], message)
    if type(pushed) == "table" then
      if not string.find(pushed.err, "WRONGTYPE", 1, true) then return pushed end
      barred = true
      break
    end
    redis.call("ZREM", KEYS[i], member)
    moved = moved + 1
  end
  local head = barred and {} or redis.call("ZRANGE", KEYS[i], 0, 0, "WITHSCORES")
  if head[2] then
    local at = tonumber(head[2])
    if next_due < 0 or at < next_due then next_due = at end
  end
end
return {moved, next_due, now}
