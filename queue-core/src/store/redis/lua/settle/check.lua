-- settle: end deliveries, each with all that follows from it or not at all.
--
-- KEYS[1]  list    any held key of the batch (routes the call; all keys are named by the arguments)
-- ARGV[1]  number  added to the server's clock, ms
-- ARGV[2]  number  length of a lease, ms
-- ARGV[3]  number  how long the claim to a chord stands, s
-- ARGV[4]  number  how long it is remembered that a chord is over, s
-- ARGV[5]  number  how long a complete chord waits for its end at least, s
-- ARGV[6]  number  the database of the messages
-- ARGV[7]  number  the database of the results and chords ("" for the same)
-- ARGV[8]  number  groups of plain settlements: a message of this worker's goes, with one result or none, and nothing follows
-- ARGV[9…] per group: held key, how many, TTL of the results in s ("0" for ever, "" for no results), the length of its window
--          ("0" for none), then without a window, per settlement, in the order they were leased: the message [, result key, value];
--          with one: the group's last message, how many stay, per one of them, nearest first: how far from the end, from 1, and the
--          message; then per settlement: [result key, value]
-- ARGV[…]  per other settlement:
--          held key, the message, "{list}:deaths" ("" unless a suspect); or, when it was acknowledged early, "", the key that
--          says that this end was written ("" for no such fence), "",
--          the chord it ends ("" for none), then: our claim, and "0", "1" when a part failed, "2" to claim it and no more, and TTL of
--          what stays of it in s ("0" for ever),
--          count of results, then per result: key, value, TTL in s ("0" for ever),
--          count of chord steps, then per step one of (TTL in s, "0" for ever):
--            "b", chord, size, group meta ("" for none), TTL
--            "g", chord, how many more, TTL
--            "p", chord, task id, index ("+inf" for none), member, TTL, our claim, the dispatch, and of its list: what this
--                 worker holds ("" for nothing), "{list}:suspects", "{list}:workers", the incarnation
--            "c", as the first half of "p", up to our claim: counted, and claimed with "?", the part and a blank
--                 before the claim
--            "k", chord, our claim: its dispatch is leased, so what stands before the claim goes
--            "d", as the second half of "p", from the dispatch on: only leased
--          count of follow-ups, then per follow-up: list, message, due in Unix ms ("" for now), "{list}:scheduled", "{list}:due",
--          "1" for a dead letter, then: "{list}:dead", "{list}:dead:why", "{list}:dead:message", entry, why (JSON), message
-- Returns  the numbers, from 1, of groups that do not stand where their windows are, and nothing happened; else
--          {per group: how many, when all are done, or per settlement of it: 1 done, 0 the lease was lost and nothing happened;
--          per other settlement: 1 and 0 likewise, -1 only removed: the chord is somebody else's;
--          {number of each "p", "c" and "d" of this call, from 1, whose dispatch this worker now holds, or whose chord it now
--          claims}}
--
-- With the results on another server, "c", "k" and "2" are for that server, "d" for this one.
--
-- A chord is named by its group's meta key; what is counted lies beside it, as Celery has it: ".j" members (zset by index),
-- ".d" who is counted (set), ".s" the size, ".t" what was added to it, ".c" who sends the body, and then "done".
--
-- Most settlements are plain, and most of what a worker ends is what it has held longest. So the plain ones are removed
-- together where they can be: the end of the held list is read, compared and cut off, three commands however many they are.
-- Where the worker knows that a group is the end of the list but for some that stay, it says so: a *window*, of which only the last
-- message and those that stay are looked at. Why that is enough stands in window.rs.
--
-- The removal from the held list is the fence and comes first within a settlement. That is safe because nothing after it
-- can fail: a full or read-only server refuses the probe before anything is touched, and the types of all keys to be written are
-- checked before the first removal. Source: a script's writes are refused by the state of the server at its start.
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]

-- Calls `step` where the results are.
local here, there = ARGV[6], ARGV[7]
local function with_results(step, ...)
  if there == "" then return step(...) end
  redis.call("SELECT", there)
  local answer = step(...)
  redis.call("SELECT", here)
  return answer
end

-- First pass: types. A wrong one stops the batch with an error that names the key.
local checked, wrong, writes = {}, nil, false
local function expect(key, kind)
  if checked[key] then return end
  local found = redis.call("TYPE", key).ok
  if found ~= kind and found ~= "none" then wrong = "WRONGTYPE key '" .. key .. "' holds a " .. found .. ", not a " .. kind end
  checked[key] = true
end
-- A count that is no number would stop the script half-way, as a wrong type does.
local function expect_number(key)
  expect(key, "string")
  local found = redis.pcall("GET", key)
  if type(found) == "string" and not string.find(found, "^-?%d+$") then wrong = "WRONGTYPE key '" .. key .. "' does not hold a number" end
end

-- Each kind of chord step: how many arguments it has.
local width = {b = 5, g = 4, p = 12, c = 7, k = 3, d = 6}
local function check_counts(kind, chord)
  if kind == "g" then expect_number(chord .. ".t") end
  if kind == "p" or kind == "c" then
    expect(chord .. ".c", "string")
    expect(chord .. ".d", "set")
    expect(chord .. ".j", "zset")
    expect(chord .. ".s", "string")
    expect(chord .. ".t", "string")
  end
end

local function check_step(at)
  local kind = ARGV[at]
  local after = at + width[kind]
  if kind ~= "d" then with_results(check_counts, kind, ARGV[at + 1]) end
  -- Something else where the workers are stops no part: its dispatch goes among the suspects then.
  if kind == "p" or kind == "d" then expect(ARGV[after - 3], "list") end
  return after
end

local held = {}
local function look_at(key)
  if held[key] == nil then held[key] = redis.call("TYPE", key).ok == "list" end
end

-- Notes what stays of a group's window, farthest first; false when it stands elsewhere.
local function look_into(group, at)
  local function is(place, message) return redis.call("LINDEX", group.key, -place) == message end
  local stands = is(group.window, ARGV[at])
  for i = tonumber(ARGV[at + 1]), 1, -1 do
    stands = stands and is(ARGV[at + 2 * i], ARGV[at + 2 * i + 1])
    group.stay[#group.stay + 1] = ARGV[at + 2 * i + 1]
  end
  return stands
end

-- A group's arguments are: `width` per settlement from `first` on, its result's key at `result` among them.
local groups, elsewhere = {}, {}
local at = 9
for i = 1, tonumber(ARGV[8]) do
  local group = {key = ARGV[at], n = tonumber(ARGV[at + 1]), ttl = ARGV[at + 2], window = tonumber(ARGV[at + 3]), stay = {}}
  look_at(group.key)
  at = at + 4
  group.width, group.result = 1, 1
  if group.window > 0 then
    if held[group.key] and not look_into(group, at) then elsewhere[#elsewhere + 1] = i end
    at = at + 2 + 2 * ARGV[at + 1]
    group.width, group.result = 0, 0
  end
  if group.ttl ~= "" then
    writes = true
    group.width = group.width + 2
  end
  group.first = at
  groups[i] = group
  at = at + group.n * group.width
end
if elsewhere[1] then return elsewhere end

local others = at
while at <= #ARGV do
  local key = ARGV[at]
  if key ~= "" then
    look_at(key)
  elseif ARGV[at + 1] ~= "" then
    writes = true
  end
  at = at + 3
  if ARGV[at] ~= "" then
    writes = true
    with_results(expect, ARGV[at] .. ".c", "string")
    at = at + 3
  end
  if ARGV[at + 1] ~= "0" then writes = true end
  at = at + 2 + 3 * ARGV[at + 1]
  local steps = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, steps do
    writes = true
    at = check_step(at)
  end
  local follows = tonumber(ARGV[at])
  if follows > 0 then writes = true end
  at = at + 1
  for _ = 1, follows do
    expect(ARGV[at], "list")
    if ARGV[at + 2] ~= "" then expect(ARGV[at + 3], "zset") end
    at = at + 5
  end
  if ARGV[at] == "1" then
    writes = true
    expect(ARGV[at + 1], "zset")
    expect(ARGV[at + 2], "hash")
    expect(ARGV[at + 3], "hash")
    at = at + 7
  else
    at = at + 1
  end
end

if wrong then return redis.error_reply(wrong) end
-- A batch that only removes is let through on a full server: that is how room comes back.
if writes then redis.call("LPUSHX", KEYS[1] .. ":probe", "") end
