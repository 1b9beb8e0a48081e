-- wrk -s report.lua ... -- METHOD BODY PREFIX NUMBER
--
-- If NUMBER is not 0, each request's path ends in PREFIX and a random number up
-- to NUMBER. Prints the result as a line of JSON; see SCRIPTING in wrk's source.
init = function(arguments)
    local prefix, number = arguments[3], tonumber(arguments[4])
    wrk.method = arguments[1]
    wrk.body = arguments[2] ~= '' and arguments[2] or nil
    if number > 0 then
        math.randomseed(os.time())
        request = function()
            return wrk.format(
                nil, wrk.path .. prefix .. math.random(number))
        end
    end
end

done = function(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "microseconds": %d, "failed": %d, ' ..
        '"p50": %d, "p99": %d}\n',
        summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.status +
        errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
