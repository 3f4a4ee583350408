-- enqueue: put parcels of messages into their lists, or aside until they are due; all of them, or nothing.
--
-- KEYS[1]  hash    "queue:producer:<p>": lane -> the last number seen, "<lane>:<n>" -> the last number whose n-th parcel a key kept
--                  out; without a number any key of the call
-- KEYS[2]  set     "queue:queues"
-- ARGV[1]  number  added to the server's clock, ms
-- ARGV[2]  number  the lane ("" for no number)
-- ARGV[3]  number  the number
-- ARGV[4]  number  how long numbers are remembered, s
-- ARGV[5]  number  the database of the messages
-- ARGV[6]  number  the database of chords ("" for the same)
-- ARGV[7]  number  how many names of queues to write down, then the names
-- ARGV[…]  per parcel: its idempotency key ("" for none), the value, its TTL in s,
--          count of chords that begin, then per chord: its group's meta key, the size, the meta ("" for none), TTL in s ("0" for
--          ever),
--          count of lists, then per list: the list, "{list}:scheduled", "{list}:due",
--          count of ready messages, the messages; count of later ones, then per message: when it is due, Unix ms; its bytes
-- Returns  per parcel: false when it is enqueued, else the value of its key
--
-- A number that was seen changes nothing: an earlier try of this call has done it, or a later call of its lane, which came after
-- this one had been given up. But a parcel that a key kept out of the earlier try may go now: the key may have ended since, and to
-- say then that it is enqueued would be a lie. A sorted set holds a member once: the same bytes scheduled again, and bytes that begin with
-- zero, are kept as "\0<number>\0" and the bytes.
--
-- Nothing fails half-way: types are checked before the first write, and a full or read-only server refuses that write.
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]

local wrong
local function expect(key, kind)
  local found = redis.call("TYPE", key).ok
  if found ~= kind and found ~= "none" then wrong = "WRONGTYPE key '" .. key .. "' holds a " .. found .. ", not a " .. kind end
end

-- Calls `keyed(number, key, value, ttl)` per parcel, and where that says so `chord(…)` per chord and `list(…)` per list, with
-- the places of its messages.
local function each_parcel(keyed, chord, list)
  local at, n = 8 + ARGV[7], 0
  while at <= #ARGV do
    n = n + 1
    local goes = keyed(n, ARGV[at], ARGV[at + 1], ARGV[at + 2])
    local chords = tonumber(ARGV[at + 3])
    at = at + 4
    for _ = 1, chords do
      if goes then chord(unpack(ARGV, at, at + 3)) end
      at = at + 4
    end
    local lists = tonumber(ARGV[at])
    at = at + 1
    for _ = 1, lists do
      local ready = at + 4
      local later = ready + ARGV[at + 3] + 1
      local after = later + 2 * ARGV[later - 1]
      if goes then list(ARGV[at], ARGV[at + 1], ARGV[at + 2], ready, later, after) end
      at = after
    end
  end
end

local function set(key, value, ttl)
  if ttl == "0" then redis.call("SET", key, value) else redis.call("SET", key, value, "EX", ttl) end
end

-- As begin.lua.
local function begin(chord, size, meta, ttl)
  if ARGV[6] ~= "" then redis.call("SELECT", ARGV[6]) end
  set(chord .. ".s", size, ttl)
  redis.call("DEL", chord .. ".c")
  if meta ~= "" then set(chord, meta, ttl) end
  if ARGV[6] ~= "" then redis.call("SELECT", ARGV[5]) end
end

local function schedule(zset, list, channel, later, after)
  local head = redis.call("ZRANGE", zset, 0, 0, "WITHSCORES")
  local first = tonumber(head[2] or "inf")
  local earliest = first
  for i = later, after - 1, 2 do
    local due, message = tonumber(ARGV[i]), ARGV[i + 1]
    if due <= now then
      redis.call("LPUSH", list, message)
    else
      local n, member = 0, message
      if string.byte(message, 1) == 0 then member = "\0" .. "0" .. "\0" .. message end
      while redis.call("ZADD", zset, "NX", due, member) == 0 do
        n = n + 1
        member = "\0" .. n .. "\0" .. message
      end
      if due < earliest then earliest = due end
    end
  end
  if earliest < first then redis.pcall("PUBLISH", channel, string.format("%d", earliest)) end
end

local last = ARGV[2] ~= "" and redis.call("HGET", KEYS[1], ARGV[2])
local seen = last and tonumber(last) >= tonumber(ARGV[3])
local function note(n) return ARGV[2] .. ":" .. n end
-- Whether no try of this call has enqueued it, and none of a later one has begun.
local function is_open(n) return not seen or (last == ARGV[3] and redis.call("HGET", KEYS[1], note(n)) == ARGV[3]) end

each_parcel(function(n, key)
  if key ~= "" then expect(key, "string") end
  return is_open(n)
end, function() end, function(list, zset, _, _, later, after)
  expect(list, "list")
  if after > later then expect(zset, "zset") end
end)
if wrong then return redis.error_reply(wrong) end

if ARGV[2] ~= "" and not seen then
  redis.call("HSET", KEYS[1], ARGV[2], ARGV[3])
  redis.call("EXPIRE", KEYS[1], ARGV[4])
end
for i = 8, 7 + ARGV[7] do redis.pcall("SADD", KEYS[2], ARGV[i]) end
local answers = {}
each_parcel(function(n, key, value, ttl)
  local goes = is_open(n)
  local stood = key ~= "" and not (goes and redis.call("SET", key, value, "NX", "EX", ttl)) and redis.call("GET", key)
  answers[n] = stood
  if goes and stood and ARGV[2] ~= "" then redis.call("HSET", KEYS[1], note(n), ARGV[3]) end
  if goes and not stood and seen then redis.call("HDEL", KEYS[1], note(n)) end
  return goes and not stood
end, begin, function(list, zset, channel, ready, later, after)
  -- A call takes no more arguments than Lua's stack holds.
  for i = ready, later - 2, 500 do redis.call("LPUSH", list, unpack(ARGV, i, math.min(i + 499, later - 2))) end
  if after > later then schedule(zset, list, channel, later, after) end
end)
return answers
