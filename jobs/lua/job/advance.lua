-- A stage is done: more chunks follow, and after all chunks the next stage.
-- ARGV: item, token, epoch, chunks, next.
-- Returns 'ok', still owed | 'lost'.
-- Invariant: a stage adds its chunks once; said again by the same lease, nothing changes.
if redis.call('HGET', s, 'epoch') ~= ARGV[3] then
  return answer('lost')
end
local mark = ARGV[1] .. '/' .. ARGV[2]
if redis.call('HGET', s, 'adv') == mark then
  return answer('ok', 0)
end
if not held(ARGV[1], ARGV[2], ARGV[3]) or redis.call('HGET', s, 'stage') ~= ARGV[1] then
  return answer('lost')
end
local rest = owed(ARGV[1])
redis.call('HINCRBY', s, 'total', ARGV[4])
redis.call('HSET', s, 'stage', '', 'next', ARGV[5], 'adv', mark)
done_with(ARGV[1])
progress()
push_next()
return answer('ok', rest)
