-- Friends who follow links: a thousand of them, as campaigns have a few that everybody shares.
local first

function init()
  math.randomseed(os.time() + thread_number)
  first = tonumber(os.getenv("HELD_FIRST"))
end

function request()
  local link = "/speed/hold" .. (first + math.random(0, 999))
  return "GET " .. link .. " HTTP/1.1\r\nHost: " .. os.getenv("HOST") .. "\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\r\n"
end
