-- Put before every script of this folder: the keys of one job, and the rules that several scripts share.
--
-- KEYS[1] {j:<id>}:s  hash    the record: id, client, state, epoch, created, updated, total, done, n (next fresh chunk), stage (the
--                             stage that is outstanding), next (the stage after the chunks), reason, base, adv, fin, cps
--                             (checkpoints so far), kids and kdone (children split off, and done), hungry (when a claim last
--                             found nothing, ms)
-- KEYS[2] {j:<id>}:q  zset    items ready to be claimed; score = not before (ms)
-- KEYS[3] {j:<id>}:l  zset    items in somebody's hands; score = expiry of the lease (ms)
-- KEYS[4] {j:<id>}:i  hash    of items that were claimed and are not done: <item>:t token, :o owner, :s last seq, :p panics
--                             and :x deaths since the last checkpoint, :g cps when it was claimed or last checkpointed,
--                             :r requests since the claim, :k what the claim was charged; <child>:c open | done for every child ever split off
-- KEYS[5] {j:<id>}:d  string  bitmap of the chunks that are done
-- KEYS[6] {j:<id>}:c  hash    counters, and t:<Type> for the rows of a type
--
-- ARGV[1] is a word of the caller that is taken off here. Every reply begins with it and with the id and client of the record, so that
-- the caller can tell whose answer it got.
local word = table.remove(ARGV, 1)
local s, q, l, i, d, c = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

local function answer(...)
  local r = redis.call('HMGET', s, 'id', 'client')
  return { word, r[1] or '', r[2] or '', ... }
end

-- The fence: the epoch is the job's, the token is the item's, and nobody has taken the lease back.
local function held(item, token, epoch)
  return redis.call('HGET', s, 'epoch') == epoch
    and redis.call('HGET', i, item .. ':t') == token
    and redis.call('ZSCORE', l, item) ~= false
end

-- What the item has to be charged beyond what its claim was charged: one at least, else the requests it made.
local function owed(item)
  local r = redis.call('HMGET', i, item .. ':r', item .. ':k')
  return math.max(1, tonumber(r[1] or 0)) - tonumber(r[2] or 0), tonumber(r[1] or 0)
end

-- The item is done for ever. Its token may go: no item is handed out again after this within one epoch.
local function done_with(item)
  redis.call('ZREM', l, item)
  redis.call('HDEL', i, item .. ':t', item .. ':o', item .. ':s', item .. ':p', item .. ':x', item .. ':g', item .. ':r', item .. ':k')
end

local function progress()
  redis.call('HSET', s, 'updated', now_ms(), 'reason', '')
end

-- Once all chunks and their children are done and no stage is outstanding, the next stage is ready; next is emptied, so this happens once.
local function push_next()
  local r = redis.call('HMGET', s, 'total', 'done', 'stage', 'next', 'kids', 'kdone')
  if r[1] == r[2] and (r[5] or '0') == (r[6] or '0') and r[3] == '' and r[4] ~= '' then
    redis.call('HSET', s, 'stage', r[4], 'next', '')
    redis.call('ZADD', q, now_ms(), r[4])
  end
end
