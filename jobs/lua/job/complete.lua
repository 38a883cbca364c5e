-- A chunk, or a child of one, is done.
-- ARGV: item, token, epoch, number of the chunk ('' = a child).
-- Returns 'ok', still owed, requests made | 'lost'.
-- Invariant: a chunk counts as done once; said again, it stays done. The last chunk makes the next stage ready.
if redis.call('HGET', s, 'epoch') ~= ARGV[3] then
  return answer('lost')
end
local child = ARGV[4] == ''
if child and redis.call('HGET', i, ARGV[1] .. ':c') == 'done' or not child and redis.call('GETBIT', d, ARGV[4]) == 1 then
  return answer('ok', 0, 0)
end
if not held(ARGV[1], ARGV[2], ARGV[3]) then
  return answer('lost')
end
local rest, requests = owed(ARGV[1])
if child then
  if not redis.call('HGET', i, ARGV[1] .. ':c') then -- set back to before it was announced
    redis.call('HINCRBY', s, 'kids', 1)
  end
  redis.call('HSET', i, ARGV[1] .. ':c', 'done')
  redis.call('HINCRBY', s, 'kdone', 1)
else
  redis.call('SETBIT', d, ARGV[4], 1)
  redis.call('HINCRBY', s, 'done', 1)
end
done_with(ARGV[1])
progress()
push_next()
return answer('ok', rest, requests)
