-- The record of a kick-off that is still being written down.
-- ARGV: id, client, epoch, ms to live. Returns 'ok' | 'taken'.
-- Invariant: an id belongs to one client for ever; repeated by the same kick-off it changes nothing. Without queue.lua the record
-- lapses by itself.
local r = redis.call('HMGET', s, 'id', 'client', 'state')
if r[1] then
  return answer(r[2] == ARGV[2] and r[3] == 'pending' and 'ok' or 'taken')
end
local now = now_ms()
redis.call('DEL', q, l, i, d, c)
redis.call('HSET', s, 'id', ARGV[1], 'client', ARGV[2], 'state', 'pending', 'epoch', ARGV[3], 'created', now, 'updated', now,
  'total', 0, 'done', 0, 'n', 0, 'stage', '', 'next', '', 'reason', '', 'base', 0)
redis.call('PEXPIRE', s, ARGV[4])
return answer('ok')
