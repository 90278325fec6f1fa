local function verdict(status, message)
  return {status = status, message = message}
end

local waiting = verdict("Progressing", "waiting for a status")
if obj.status == nil or obj.status.conditions == nil then
  return waiting
end

local generation = obj.metadata.generation
local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  local seen = condition.observedGeneration
  if seen ~= nil and generation ~= nil and seen ~= generation then
    return verdict("Progressing", "the status is about an earlier version of the resource")
  end
  conditions[condition.type] = condition
end

for _, rule in ipairs(rules) do
  local condition = conditions[rule.type]
  if condition ~= nil and condition.status == rule.status
    and (rule.reasons == nil or rule.reasons[condition.reason]) then
    return verdict(rule.health, (condition.reason or "Unknown") .. ": " .. (condition.message or ""))
  end
end
return waiting
