-- Asks by the method and the body that stand behind --, and says what wrk has
-- measured as a line of JSON; see wrk's SCRIPTING.
init = function(arguments)
    wrk.method = arguments[1]
    wrk.body = arguments[2] ~= '' and arguments[2] or nil
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
