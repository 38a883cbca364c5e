-- A chunk is done.
-- ARGV: item, token, epoch, number of the chunk.
-- Returns 'ok', still owed, requests made | 'lost'.
-- Invariant: a chunk counts as done once; said again, it stays done. The last chunk makes the next stage ready.
if redis.call('HGET', s, 'epoch') ~= ARGV[3] then
  return answer('lost')
end
if redis.call('GETBIT', d, ARGV[4]) == 1 then
  return answer('ok', 0, 0)
end
if not held(ARGV[1], ARGV[2], ARGV[3]) then
  return answer('lost')
end
local rest, requests = owed(ARGV[1])
redis.call('SETBIT', d, ARGV[4], 1)
redis.call('HINCRBY', s, 'done', 1)
done_with(ARGV[1])
progress()
push_next()
return answer('ok', rest, requests)
