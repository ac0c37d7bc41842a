"""The steps of the protocol as Lua, each run by Redis in one piece, at Redis's own time.

Keys: accounts (a hash of `account\\tslot\\ts|h`), holds (a hash), leases (a sorted set of expiry), late (a
hash of holds that expired), lates (a sorted set of when), ends (a sorted set of when a slot is of no more
use). All are declared, and share one hash tag, so that a cluster runs a script on one node. Sums are int64 in
Redis; compared they are doubles, which are exact to 2^53 nano-USD, 9,007,199 USD.
"""

from __future__ import annotations

from typing import Final

_COMMON: Final = """
local accounts, holds, leases, late, lates, ends = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local function field(account, slot, kind) return account .. '\\t' .. slot .. '\\t' .. kind end
local function number(value) return tonumber(value or '0') end
local function less(amount) return amount == '0' and '0' or '-' .. amount end
local function each(text, act)
  for account, slot, amount in string.gmatch(text, '([^\\t\\n]*)\\t(%d+)\\t(%d+)') do
    act(account, slot, amount)
  end
end
local function balance(account, slot, since, step)
  if step == 0 then
    local two = redis.call('HMGET', accounts, field(account, slot, 's'), field(account, slot, 'h'))
    return number(two[1]), number(two[2])
  end
  local names, spent, held = {}, 0, 0
  for at = since, tonumber(slot), step do
    local name = string.format('%.0f', at)
    names[#names + 1] = field(account, name, 's')
    names[#names + 1] = field(account, name, 'h')
  end
  local values = redis.call('HMGET', accounts, unpack(names))
  for index = 1, #values, 2 do
    spent, held = spent + number(values[index]), held + number(values[index + 1])
  end
  return spent, held
end
local function lines(first)
  local made = {}
  for index = first, #ARGV, 7 do
    made[#made + 1] = {account = ARGV[index], slot = ARGV[index + 1], since = tonumber(ARGV[index + 2]),
      step = tonumber(ARGV[index + 3]), till = tonumber(ARGV[index + 4]), limit = tonumber(ARGV[index + 5]),
      amount = ARGV[index + 6]}
  end
  return made
end
local function told(made, word)
  local answer = {word, string.format('%.6f', now)}
  for _, line in ipairs(made) do
    local spent, held = balance(line.account, line.slot, line.since, line.step)
    answer[#answer + 1] = string.format('%.0f', spent)
    answer[#answer + 1] = string.format('%.0f', held)
  end
  return answer
end
local function sweep()
  local over = redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, 100)
  for _, hold in ipairs(over) do
    local text = redis.call('HGET', holds, hold)
    redis.call('ZREM', leases, hold)
    if text then
      each(text, function(account, slot, amount)
        redis.call('HINCRBY', accounts, field(account, slot, 's'), amount)
        redis.call('HINCRBY', accounts, field(account, slot, 'h'), less(amount))
      end)
      redis.call('HDEL', holds, hold)
      redis.call('HSET', late, hold, text)
      redis.call('ZADD', lates, now, hold)
    end
  end
  local old = now - 40 * 86400
  local gone = redis.call('ZRANGEBYSCORE', lates, '-inf', old, 'LIMIT', 0, 100)
  for _, hold in ipairs(gone) do redis.call('HDEL', late, hold) redis.call('ZREM', lates, hold) end
  gone = redis.call('ZRANGEBYSCORE', ends, '-inf', old, 'LIMIT', 0, 100)
  for _, name in ipairs(gone) do
    redis.call('HDEL', accounts, name .. '\\ts', name .. '\\th')
    redis.call('ZREM', ends, name)
  end
  return #over
end
local function hold_all(made)
  for _, line in ipairs(made) do
    if line.limit >= 0 then
      local spent, held = balance(line.account, line.slot, line.since, line.step)
      if spent + held + tonumber(line.amount) > line.limit then return false end
    end
  end
  for _, line in ipairs(made) do
    redis.call('HINCRBY', accounts, field(line.account, line.slot, 'h'), line.amount)
    if line.till > 0 then redis.call('ZADD', ends, line.till, line.account .. '\\t' .. line.slot) end
  end
  return true
end
"""

RESERVE: Final = (
    _COMMON
    + """
local over = sweep()
local made = lines(3)
local function answer(word)
  local text = told(made, word)
  text[#text + 1] = tostring(over)
  return text
end
-- A client whose connection broke asks again: what it was granted, it was granted.
if redis.call('HEXISTS', holds, ARGV[1]) == 1 then return answer('granted') end
for _, line in ipairs(made) do
  local stop = line.till
  if line.step > 0 then stop = tonumber(line.slot) + line.step end
  if line.till > 0 and (now >= stop or now < tonumber(line.slot)) then return answer('moved') end
end
if not hold_all(made) then return answer('refused') end
local text = {}
for _, line in ipairs(made) do
  text[#text + 1] = line.account .. '\\t' .. line.slot .. '\\t' .. line.amount
end
redis.call('HSET', holds, ARGV[1], table.concat(text, '\\n'))
redis.call('ZADD', leases, now + tonumber(ARGV[2]), ARGV[1])
return answer('granted')
"""
)

TOP_UP: Final = (
    _COMMON
    + """
local made = lines(2)
local before = redis.call('HGET', holds, ARGV[1])
if not before or not hold_all(made) then return told(made, 'refused') end
local text, index = {}, 0
local amounts = {}
each(before, function(account, slot, amount) amounts[#amounts + 1] = amount end)
for index, line in ipairs(made) do
  local sum = string.format('%.0f', tonumber(amounts[index]) + tonumber(line.amount))
  text[#text + 1] = line.account .. '\\t' .. line.slot .. '\\t' .. sum
end
redis.call('HSET', holds, ARGV[1], table.concat(text, '\\n'))
return told(made, 'granted')
"""
)

SETTLE: Final = (
    _COMMON
    + """
local text, word = redis.call('HGET', holds, ARGV[1]), 'settled'
if text then
  redis.call('HDEL', holds, ARGV[1])
  redis.call('ZREM', leases, ARGV[1])
else
  text, word = redis.call('HGET', late, ARGV[1]), 'late'
  if not text then return {'unknown', string.format('%.6f', now)} end
  redis.call('HDEL', late, ARGV[1])
  redis.call('ZREM', lates, ARGV[1])
end
local answer, index = {word, string.format('%.6f', now)}, 2
each(text, function(account, slot, amount)
  local spent, held = field(account, slot, 's'), field(account, slot, 'h')
  local total = redis.call('HINCRBY', accounts, spent, ARGV[index])
  if word == 'settled' then
    redis.call('HINCRBY', accounts, held, less(amount))
  else
    total = redis.call('HINCRBY', accounts, spent, less(amount))
  end
  answer[#answer + 1] = string.format('%.0f', total)
  answer[#answer + 1] = redis.call('HGET', accounts, held) or '0'
  index = index + 1
end)
return answer
"""
)

EXPIRE: Final = _COMMON + "return {'expired', string.format('%.6f', now), tostring(sweep())}"

ACCOUNTS: Final = (
    _COMMON
    + """
local answer = {'accounts', string.format('%.6f', now)}
for _, name in ipairs(redis.call('HKEYS', accounts)) do answer[#answer + 1] = name end
return answer
"""
)

LOOK: Final = (
    _COMMON
    + """
local over = sweep()
local answer = told(lines(1), 'granted')
answer[#answer + 1] = tostring(over)
return answer
"""
)

READ: Final = _COMMON + "return told(lines(1), 'read')"
