-- Reserves a place for a new job.
-- ARGV: id, client, jobs a client may have running and waiting, ms the reservation lives.
-- Returns client, 'ok' | 'full' | 'taken'.
-- Invariant: pending, waiting and running jobs of a client are never more than it may have; a refused one leaves nothing behind;
-- repeated by the same kick-off it changes nothing.
local now = now_ms()
sweep(now)
local owner = redis.call('HGET', jobs, ARGV[1])
if owner then
  return { word, owner, owner == ARGV[2] and 'ok' or 'taken' }
end
local n = 0
for _, client in ipairs(redis.call('HVALS', jobs)) do
  if client == ARGV[2] then n = n + 1 end
end
if n >= tonumber(ARGV[3]) then
  return { word, ARGV[2], 'full' }
end
redis.call('HSET', jobs, ARGV[1], ARGV[2])
redis.call('ZADD', order, now, ARGV[1])
redis.call('ZADD', pending, now + tonumber(ARGV[4]), ARGV[1])
return { word, ARGV[2], 'ok' }
