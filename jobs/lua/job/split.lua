-- Makes pieces that were split off a chunk ready for others.
-- ARGV: item, token, epoch, then each child.
-- Returns 'ok' | 'lost'.
-- Invariant: a child is announced once; said again, also after it is done, nothing changes.
if not held(ARGV[1], ARGV[2], ARGV[3]) then
  return answer('lost')
end
local now = now_ms()
for k = 4, #ARGV do
  if redis.call('HSETNX', i, ARGV[k] .. ':c', 'open') == 1 then
    redis.call('HINCRBY', s, 'kids', 1)
    redis.call('ZADD', q, now, ARGV[k])
  end
end
return answer('ok')
