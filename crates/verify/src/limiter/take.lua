-- Takes units of several budgets, or of none, as counter.rs does it in memory: for several wishes, one after the other.
-- KEYS: one text for each owner of budgets, with a part for the minute and one for the hour. The heads of both come first:
-- the slot that was taken from last by time, the newest slot with a use, the units of all slots, and those of the first
-- named slot. The units of each other slot follow, part by part, in the place of its number modulo 61.
-- ARGV: for each wish one text: its units and how many of the keys it is about; for each of those which parts (1 the
-- minute, 2 the hour, 3 both), and for each part the limit and the slot of this moment.
-- Answers for each wish with one text: whether they were taken (1 or 0), and for each budget its units, the slot of the
-- newest of them, and the slot from which on the wish fits, -1 where it fits now or never.
local HEAD, HEADS, HEAD_BYTES = '<i8i8i8I4', '<i8i8i8I4i8i8i8I4', 28
local unpacked, packed = struct.unpack, struct.pack
local SLOTS, KEPT, UNITS, UNITS_BYTES = 60, 61, '<I4', 4
-- An hour and two of its slots: nothing counts any longer. In milliseconds.
local KEEP = 3720000
local EMPTY = string.rep('\0', 2 * (HEAD_BYTES + KEPT * UNITS_BYTES))

local WISH, WISH_BYTES, PART, PART_BYTES, PARTS = '<I4B', 5, '<I4i8', 12, '<I4i8I4i8'
local TOLD, TOLD_OF_BOTH = '<I4i8i8', '<I4i8i8I4i8i8'

-- The wish at hand: what precedes its keys, its text, its units and the number of its keys.
local key, wish, cost, many = 0, '', 0, 0

-- Nearly always the slots are those that were taken from last, and the wish fits: then the heads alone change.
local function take_here(stored)
  local heads, first, answer, at = {}, {}, { '\1' }, WISH_BYTES + 1
  for i = 1, many do
    local text, parts = stored[i], wish:byte(at)
    if not text then
      return nil
    end
    if parts == 3 then
      local limit, slot, limit2, slot2 = unpacked(PARTS, wish, at + 1)
      local head, _, used, here, head2, _, used2, here2 = unpacked(HEADS, text)
      used, used2 = used + cost, used2 + cost
      if slot ~= head or used > limit or slot2 ~= head2 or used2 > limit2 then
        return nil
      end
      heads[i], first[i] = packed(HEADS, head, head, used, here + cost, head2, head2, used2, here2 + cost), 0
      answer[i + 1] = packed(TOLD_OF_BOTH, used, head, -1, used2, head2, -1)
      at = at + 1 + 2 * PART_BYTES
    else
      local limit, slot = unpacked(PART, wish, at + 1)
      first[i] = parts == 1 and 0 or HEAD_BYTES
      local head, _, used, here = unpacked(HEAD, text, first[i] + 1)
      used = used + cost
      if slot ~= head or used > limit then
        return nil
      end
      heads[i] = packed(HEAD, head, head, used, here + cost)
      answer[i + 1] = packed(TOLD, used, head, -1)
      at = at + 1 + PART_BYTES
    end
  end
  for i = 1, many do
    redis.call('SETRANGE', KEYS[key + i], first[i], heads[i])
  end
  return table.concat(answer)
end

local function put(text, first, bytes)
  return text:sub(1, first) .. bytes .. text:sub(first + #bytes + 1)
end

-- What precedes the units of a slot.
local function place(part, slot)
  return 2 * HEAD_BYTES + (part * KEPT + slot % KEPT) * UNITS_BYTES
end

local function units(text, part, slot)
  return (unpacked(UNITS, text, place(part, slot) + 1))
end

local function with_units(text, part, slot, many)
  return put(text, place(part, slot), packed(UNITS, many))
end

local function without_units(text, part)
  return put(text, place(part, 0), string.rep('\0', KEPT * UNITS_BYTES))
end

local function with_head(text, part, slot, newest, used, here)
  return put(text, part * HEAD_BYTES, packed(HEAD, slot, newest, used, here))
end

-- A part of a text at a moment, and the text as it is from then on.
local function look_at(text, part, limit, slot)
  local budget = { part = part, limit = limit, slot = slot, used = 0, here = 0, newest = slot }
  if not text then
    budget.anew = true
    return budget, EMPTY
  end
  local head
  head, budget.newest, budget.used, budget.here = unpacked(HEAD, text, part * HEAD_BYTES + 1)
  if slot + SLOTS < head then
    -- The clock was set back by more than a window: all counts as used just now, whatever becomes of this wish.
    head, budget.newest, budget.here, budget.set_back = slot, slot, budget.used, true
    text = with_head(without_units(text, part), part, slot, slot, budget.used, budget.used)
  elseif slot > head + SLOTS then
    budget.anew, budget.used, budget.here, budget.newest = true, 0, 0, slot
    text = with_head(without_units(text, part), part, slot, slot, 0, 0)
  elseif slot > head then
    -- What was taken last goes to its place, and what lies wholly outside of the window goes.
    text = with_units(text, part, head, budget.here)
    for passed = head + 1, slot do
      local outside = units(text, part, passed)
      if outside > 0 then
        budget.used, text = budget.used - outside, with_units(text, part, passed, 0)
      end
    end
    budget.here = 0
    text = with_head(text, part, slot, budget.newest, budget.used, 0)
  else
    budget.slot = head
  end
  budget.stored = head
  return budget, text
end

local function fits_from(budget, text)
  if cost == 0 or budget.used + cost <= budget.limit or cost > budget.limit or budget.anew then
    return -1
  end
  local left = budget.used
  for slot = budget.slot - SLOTS, budget.stored do
    left = left - (slot == budget.slot and budget.here or units(text, budget.part, slot))
    if left + cost <= budget.limit then
      return slot + KEPT
    end
  end
  return -1
end

local function take_anywhere(stored)
  local owners, granted, at = {}, 1, WISH_BYTES + 1
  for i = 1, many do
    local owner, parts = { text = stored[i] }, wish:byte(at)
    at = at + 1
    for part = 0, 1 do
      if parts == 3 or parts == part + 1 then
        local limit, slot
        limit, slot, at = unpacked(PART, wish, at)
        local budget, text = look_at(owner.text, part, limit, slot)
        owner[#owner + 1], owner.text = budget, text
        owner.changed = owner.changed or budget.set_back
        if cost > 0 and budget.used + cost > budget.limit then
          granted = 0
        end
      end
    end
    owners[i] = owner
  end
  local answer = { string.char(granted) }
  local taken = granted == 1 and cost > 0
  for i, owner in ipairs(owners) do
    -- What only moved on with time is written with the next use.
    local text = (taken or owner.changed) and owner.text
    for _, budget in ipairs(owner) do
      local later = fits_from(budget, owner.text)
      if taken then
        budget.used, budget.newest = budget.used + cost, budget.slot
        text = with_head(text, budget.part, budget.slot, budget.slot, budget.used, budget.here + cost)
      end
      answer[#answer + 1] = packed(TOLD, budget.used, budget.newest, later)
    end
    if text then
      redis.call('SET', KEYS[key + i], text, 'PX', KEEP)
    end
  end
  return table.concat(answer)
end

local answers = {}
for number, text in ipairs(ARGV) do
  wish = text
  cost, many = unpacked(WISH, wish)
  local stored = redis.call('MGET', unpack(KEYS, key + 1, key + many))
  answers[number], key = cost > 0 and take_here(stored) or take_anywhere(stored), key + many
end
return answers
