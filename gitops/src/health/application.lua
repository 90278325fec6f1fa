if obj.status == nil or obj.status.health == nil or obj.status.health.status == nil then
  return {status = "Progressing", message = "waiting for a status"}
end
return {status = obj.status.health.status, message = obj.status.health.message or ""}
