// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import { duration, startTime } from "../../web/console/playback/times.js";
import { readToken } from "../../web/console/playback/token.js";

test("durations", () => {
    for (const [milliseconds, shown] of [
        [0, "0:00"], [999, "0:00"], [61_000, "1:01"], [599_999, "9:59"],
        [3_600_000, "1:00:00"], [36_061_000, "10:01:01"],
    ])
        assert.equal(duration(milliseconds), shown);
});

test("the start has the zone of the reader", () => {
    assert.match(startTime(1795687200, "en-US"), /^11\/26\/2026, .* \S+$/);
});

/** A window, as far as readToken() needs it. */
function pageAt(url, items = {}) {
    const location = new URL(url);
    return {
        location,
        history: {
            replaceState(state, title, shown) { location.shown = shown; },
        },
        sessionStorage: {
            getItem: name => items[name] ?? null,
            setItem(name, value) { items[name] = value; },
        },
    };
}

const page = "https://console.example.org/consoles/play.html";

test("the token is removed from the address bar, and kept for a reload", () => {
    const items = {};
    const first = pageAt(`${page}?x=1#token=a-1_B`, items);
    assert.equal(readToken(first), "a-1_B");
    assert.equal(first.location.shown, "/consoles/play.html?x=1");
    assert.equal(readToken(pageAt(page, items)), "a-1_B");
});

test("a page without a token", () => {
    for (const fragment of ["", "#", "#token=", "#other=x"])
        assert.equal(readToken(pageAt(page + fragment)), null);
    const without = pageAt(`${page}#token=a`);
    Object.defineProperty(without, "sessionStorage", {
        get() { throw new Error("SecurityError"); },
    });
    assert.equal(readToken(without), "a");
    without.location.hash = "";
    assert.equal(readToken(without), null);
});
