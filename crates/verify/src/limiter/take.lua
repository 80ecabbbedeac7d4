-- Takes units of several budgets, or of none, as counter.rs does it in memory: for several wishes, one after the other.
-- KEYS: one text for each budget. It begins with the slot that was taken from last by time, the newest slot with a use,
-- the units of all slots, and those of the first named slot. The units of each other slot follow in the place of its
-- number modulo 61.
-- ARGV: for each wish its units and how many of the keys it is about; and for each of those the limit, the slot of this
-- moment, and how long to keep it in milliseconds.
-- Answers for each wish whether they were taken (1 or 0), and for each budget its units, the slot of the newest of them,
-- and the slot from which on the wish fits, -1 where it fits now or never.
local HEAD, HEAD_BYTES = '<i8i8i8I4', 28
local unpacked, packed = struct.unpack, struct.pack
local SLOTS, KEPT, UNITS, UNITS_BYTES = 60, 61, '<I4', 4

-- The wish at hand: what precedes its keys and its arguments, its units and the number of its budgets.
local key, argument, cost, many = 0, 0, 0, 0

-- Nearly always the slot is the one that was taken from last, and the wish fits: then the beginning alone changes.
-- Texts of digits are numbers in sums, which is faster than to call for them.
local function take_here(stored)
  local heads, answer = {}, { 1 }
  for i = 1, many do
    local text = stored[i]
    if not text then
      return nil
    end
    local head, _, used, here = unpacked(HEAD, text)
    used = used + cost
    if ARGV[argument + 3 * i + 1] - head ~= 0 or ARGV[argument + 3 * i] - used < 0 then
      return nil
    end
    heads[i] = packed(HEAD, head, head, used, here + cost)
    answer[3 * i - 1], answer[3 * i], answer[3 * i + 1] = used, head, -1
  end
  for i = 1, many do
    redis.call('SETRANGE', KEYS[key + i], 0, heads[i])
  end
  return answer
end

local function blank()
  return string.rep('\0', KEPT * UNITS_BYTES)
end

-- Where the units of a slot begin.
local function place(slot)
  return HEAD_BYTES + slot % KEPT * UNITS_BYTES + 1
end

local function units(text, slot)
  return (unpacked(UNITS, text, place(slot)))
end

local function with_units(text, slot, many)
  local first = place(slot)
  return text:sub(1, first - 1) .. packed(UNITS, many) .. text:sub(first + UNITS_BYTES)
end

local function look_at(i, text)
  local limit, slot, keep = unpack(ARGV, argument + 3 * i, argument + 3 * i + 2)
  local budget = { limit = tonumber(limit), slot = tonumber(slot), keep = keep }
  budget.used, budget.here, budget.newest = 0, 0, budget.slot
  local head
  if text then
    head, budget.newest, budget.used, budget.here = unpacked(HEAD, text)
  end
  if not head then
    budget.anew = true
  elseif budget.slot + SLOTS < head then
    -- The clock was set back by more than a window: all counts as used just now, whatever becomes of this wish.
    head, budget.newest, budget.here = budget.slot, budget.slot, budget.used
    text = packed(HEAD, head, head, budget.used, budget.used) .. blank()
    redis.call('SET', KEYS[key + i], text, 'PX', budget.keep)
  elseif budget.slot > head + SLOTS then
    budget.anew, budget.used, budget.here, budget.newest = true, 0, 0, budget.slot
  elseif budget.slot > head then
    -- What was taken last goes to its place, and what lies wholly outside of the window goes.
    text = with_units(text, head, budget.here)
    for slot = head + 1, budget.slot do
      local outside = units(text, slot)
      if outside > 0 then
        budget.used, text = budget.used - outside, with_units(text, slot, 0)
      end
    end
    budget.here = 0
  else
    budget.slot = head
  end
  budget.text, budget.stored = text, head
  return budget
end

local function fits_from(budget)
  if cost == 0 or budget.used + cost <= budget.limit or cost > budget.limit or budget.anew then
    return -1
  end
  local left = budget.used
  for slot = budget.slot - SLOTS, budget.stored do
    left = left - (slot == budget.slot and budget.here or units(budget.text, slot))
    if left + cost <= budget.limit then
      return slot + KEPT
    end
  end
  return -1
end

local function take_anywhere(stored)
  local budgets, granted = {}, 1
  for i = 1, many do
    local budget = look_at(i, stored[i])
    budgets[i] = budget
    if cost > 0 and budget.used + cost > budget.limit then
      granted = 0
    end
  end
  local answer = { granted }
  for i, budget in ipairs(budgets) do
    local later = fits_from(budget)
    if granted == 1 and cost > 0 then
      budget.used, budget.newest = budget.used + cost, budget.slot
      local head = packed(HEAD, budget.slot, budget.slot, budget.used, budget.here + cost)
      local places = budget.anew and blank() or budget.text:sub(HEAD_BYTES + 1)
      redis.call('SET', KEYS[key + i], head .. places, 'PX', budget.keep)
    end
    answer[3 * i - 1], answer[3 * i], answer[3 * i + 1] = budget.used, budget.newest, later
  end
  return answer
end

local answers = {}
while key < #KEYS do
  cost, many = tonumber(ARGV[argument + 1]), tonumber(ARGV[argument + 2])
  local stored = redis.call('MGET', unpack(KEYS, key + 1, key + many))
  answers[#answers + 1] = cost > 0 and take_here(stored) or take_anywhere(stored)
  key, argument = key + many, argument + 2 + 3 * many
end
return answers
