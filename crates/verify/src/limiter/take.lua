-- Takes units of several budgets, or of none, as counter.rs does it in memory.
-- KEYS: one hash for each budget. Its fields: h, the slot that was taken from last by time; n, the newest slot with a
-- use; u, the units of all slots; and the units of each slot under its number modulo 61.
-- ARGV: the units, and for each budget its limit, the slot of this moment, and how long to keep it in milliseconds.
-- Answers whether they were taken (1 or 0), and for each budget its units, the slot of the newest of them, and the
-- slot from which on the wish fits, -1 where it fits now or never.
local SLOTS, KEPT = 60, 61
local cost = tonumber(ARGV[1])
local budgets, granted = {}, 1

local function place(slot)
  return tostring(slot % KEPT)
end

-- The units of some slots, added up.
local function sum(key, first, last)
  local places = {}
  for slot = first, last do
    places[#places + 1] = place(slot)
  end
  local units = 0
  for _, value in ipairs(redis.call('HMGET', key, unpack(places))) do
    units = units + (tonumber(value) or 0)
  end
  return units, places
end

for i, key in ipairs(KEYS) do
  local budget = { limit = tonumber(ARGV[3 * i - 1]), slot = tonumber(ARGV[3 * i]), keep = ARGV[3 * i + 1], here = 0 }
  local stored = redis.call('HMGET', key, 'h', 'n', 'u', place(budget.slot))
  local head = tonumber(stored[1])
  budget.newest, budget.used = tonumber(stored[2]) or budget.slot, tonumber(stored[3]) or 0
  if not head then
    budget.anew = true
  elseif budget.slot + SLOTS < head then
    -- The clock was set back by more than a window: all counts as used just now, whatever becomes of this wish.
    redis.call('DEL', key)
    redis.call('HSET', key, 'h', budget.slot, 'n', budget.slot, 'u', budget.used, place(budget.slot), budget.used)
    redis.call('PEXPIRE', key, budget.keep)
    budget.stored, budget.here, budget.newest = budget.slot, budget.used, budget.slot
  elseif budget.slot > head + SLOTS then
    budget.anew, budget.used, budget.newest = true, 0, budget.slot
  elseif budget.slot > head then
    local outside
    outside, budget.outside = sum(key, head + 1, budget.slot)
    budget.used = budget.used - outside
    budget.stored = head
  else
    budget.slot, budget.stored = head, head
    budget.here = tonumber(stored[4]) or 0
    if place(budget.slot) ~= place(tonumber(ARGV[3 * i])) then
      budget.here = tonumber(redis.call('HGET', key, place(head))) or 0
    end
  end
  budgets[i] = budget
  if cost > 0 and budget.used + cost > budget.limit then
    granted = 0
  end
end

local function fits_from(key, budget)
  if cost == 0 or budget.used + cost <= budget.limit or cost > budget.limit or budget.anew then
    return -1
  end
  local places = {}
  for slot = budget.slot - SLOTS, budget.stored do
    places[#places + 1] = place(slot)
  end
  local left, values = budget.used, redis.call('HMGET', key, unpack(places))
  for at, value in ipairs(values) do
    left = left - (tonumber(value) or 0)
    if left + cost <= budget.limit then
      return budget.slot - SLOTS + at - 1 + KEPT
    end
  end
  return -1
end

local answer = { granted }
for i, key in ipairs(KEYS) do
  local budget = budgets[i]
  local later = fits_from(key, budget)
  if granted == 1 and cost > 0 then
    if budget.anew then
      redis.call('DEL', key)
    elseif budget.outside then
      redis.call('HDEL', key, unpack(budget.outside))
    end
    budget.used, budget.newest = budget.used + cost, budget.slot
    redis.call('HSET', key, 'h', budget.slot, 'n', budget.slot, 'u', budget.used,
      place(budget.slot), budget.here + cost)
    redis.call('PEXPIRE', key, budget.keep)
  end
  answer[#answer + 1] = budget.used
  answer[#answer + 1] = budget.newest
  answer[#answer + 1] = later
end
return answer
