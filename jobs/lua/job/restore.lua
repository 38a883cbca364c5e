-- Rebuilds a job from what storage knows, unless it is there.
-- ARGV: id, client, epoch, created (ms), total, done, bitmap of the done chunks, next, stage ready now or '',
--       patients, rows, bytes, errors, requests, number of children, then child, open | done for each, then type, rows for each type.
-- Returns 'restored' | the state of the job that is there.
-- Invariant: of many callers one restores; its random epoch matches no lease from before. base = 1 makes the first token 2: somebody
-- may have begun every item.
if redis.call('HSETNX', s, 'epoch', ARGV[3]) == 0 then
  return answer(redis.call('HGET', s, 'state'))
end
redis.call('DEL', q, l, i, d, c)
redis.call('HSET', s, 'id', ARGV[1], 'client', ARGV[2], 'state', 'running', 'created', ARGV[4], 'updated', now_ms(),
  'total', ARGV[5], 'done', ARGV[6], 'n', 0, 'stage', ARGV[9], 'next', ARGV[8], 'reason', '', 'base', 1)
if ARGV[7] ~= '' then
  redis.call('SET', d, ARGV[7])
end
if ARGV[9] ~= '' then
  redis.call('ZADD', q, now_ms(), ARGV[9])
end
redis.call('HSET', c, 'patients', ARGV[10], 'rows', ARGV[11], 'bytes', ARGV[12], 'errors', ARGV[13], 'requests', ARGV[14])
local kids = tonumber(ARGV[15])
for k = 16, 15 + 2 * kids, 2 do
  redis.call('HSET', i, ARGV[k] .. ':c', ARGV[k + 1])
  if ARGV[k + 1] == 'done' then
    redis.call('HINCRBY', s, 'kdone', 1)
  else
    redis.call('ZADD', q, now_ms(), ARGV[k])
  end
end
redis.call('HSET', s, 'kids', kids)
for k = 16 + 2 * kids, #ARGV, 2 do
  redis.call('HSET', c, 't:' .. ARGV[k], ARGV[k + 1])
end
if ARGV[5] == '0' and ARGV[9] == 'plan' then
  redis.call('HSET', s, 'state', 'queued')
end
push_next()
return answer('restored')
