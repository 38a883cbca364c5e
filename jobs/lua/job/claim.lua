-- Hands out one item of the job.
-- ARGV: owner, lease (ms), what the claim is charged.
-- Returns 'leased', item, token, epoch, panics, deaths | 'idle', ms until something may change | 'gone', state ('' = no such job).
-- Invariant: an item is ready, leased or done, never two of them; each claim of an item has a higher token than all before.
local r = redis.call('HMGET', s, 'state', 'epoch', 'total', 'done', 'n', 'stage', 'base', 'cps', 'kids', 'kdone')
local state, epoch, total, done, n, stage = r[1], r[2], tonumber(r[3]), tonumber(r[4]), tonumber(r[5]), r[6]
if state == 'pending' then
  return answer('idle', 1000)
elseif state ~= 'queued' and state ~= 'running' then
  return answer('gone', state or '')
end

-- A worker that dies says something about its item only if the rest of the job went on meanwhile.
local function died(item)
  if tonumber(r[8] or 0) > tonumber(redis.call('HGET', i, item .. ':g') or 0) then
    redis.call('HINCRBY', i, item .. ':x', 1)
  end
end

local now = now_ms()
for _, lapsed in ipairs(redis.call('ZRANGEBYSCORE', l, '-inf', now, 'LIMIT', 0, 16)) do
  redis.call('ZADD', q, redis.call('ZSCORE', l, lapsed), lapsed)
  redis.call('ZREM', l, lapsed)
  died(lapsed)
end

local function fresh()
  while n < total and redis.call('GETBIT', d, n) == 1 do n = n + 1 end
  redis.call('HSET', s, 'n', math.min(n + 1, total))
  if n < total then return string.format('c%d', n) end
end

-- What must be somewhere and is nowhere was lost by Redis: it is made ready again.
local function mend()
  push_next()
  if stage ~= '' and not redis.call('ZSCORE', q, stage) and not redis.call('ZSCORE', l, stage) then
    redis.call('ZADD', q, now, stage)
  end
  local known = redis.call('ZCARD', q) + redis.call('ZCARD', l)
  if redis.call('HGET', s, 'stage') ~= '' then known = known - 1 end
  local kids = tonumber(r[9] or 0) - tonumber(r[10] or 0)
  if known < total - done + kids and kids > 0 then
    local fields = redis.call('HGETALL', i)
    for k = 1, #fields, 2 do
      local item = string.match(fields[k], '^(.*):c$')
      if item and fields[k + 1] == 'open' and not redis.call('ZSCORE', q, item) and not redis.call('ZSCORE', l, item) then
        redis.call('ZADD', q, now, item)
      end
    end
  end
  if known < total - done + kids then
    for k = 0, total - 1 do
      local item = string.format('c%d', k)
      if redis.call('GETBIT', d, k) == 0 and not redis.call('ZSCORE', q, item) and not redis.call('ZSCORE', l, item) then
        redis.call('ZADD', q, now, item)
      end
    end
  end
end

local item = redis.call('ZRANGEBYSCORE', q, '-inf', now, 'LIMIT', 0, 1)[1]
if not item and n < total then
  item = fresh()
end
if not item then
  mend()
  item = redis.call('ZRANGEBYSCORE', q, '-inf', now, 'LIMIT', 0, 1)[1]
end
if not item then
  local wait = 1000
  for _, key in ipairs({ q, l }) do
    local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if first[2] then wait = math.min(wait, tonumber(first[2]) - now) end
  end
  redis.call('HSET', s, 'hungry', now)
  return answer('idle', math.max(wait, 50))
end

redis.call('ZREM', q, item)
redis.call('ZADD', l, now + tonumber(ARGV[2]), item)
if r[7] == '1' then
  redis.call('HSETNX', i, item .. ':t', 1)
end
local token = redis.call('HINCRBY', i, item .. ':t', 1)
redis.call('HSET', i, item .. ':o', ARGV[1], item .. ':r', 0, item .. ':k', ARGV[3], item .. ':g', r[8] or 0)
redis.call('HSET', s, 'state', 'running', 'updated', now)
local trouble = redis.call('HMGET', i, item .. ':p', item .. ':x')
return answer('leased', item, token, epoch, tonumber(trouble[1] or 0), tonumber(trouble[2] or 0))
