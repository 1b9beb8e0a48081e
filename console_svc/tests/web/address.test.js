// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import { readAddress } from "../../web/console/address.js";

/** A window, as far as readAddress() needs it. */
function pageAt(url, items = {}) {
    const location = new URL(url);
    return {
        location,
        shown: null,
        history: {
            replaceState(state, title, shown) { location.shown = shown; },
        },
        sessionStorage: {
            items,
            getItem: name => items[name] ?? null,
            setItem(name, value) { items[name] = value; },
        },
    };
}

const host = "https://console.example.org:6080";
const websocket = "wss://console.example.org:6080";

test("the token of each form of URL reaches the websocket", () => {
    for (const [query, path] of [
        ["/vnc.html?path=%3Ftoken%3Da-1_B", "/?token=a-1_B"],
        ["/vnc.html?path=ws%2Fx%3Ftoken%3Da", "/ws/x?token=a"],
        ["/serial.html?token=a", "/?token=a"],
        ["/consoles/serial.html?token=a", "/consoles/?token=a"],
        ["/spice.html?path=websockify&token=a", "/websockify?token=a"],
        ["/spice.html?path=w%3Fx%3D1&token=a", "/w?x=1&token=a"],
        ["/serial.html?token=a%26b", "/?token=a%26b"],
    ])
        assert.equal(readAddress(pageAt(host + query)).url, websocket + path);
});

test("a page without TLS has a websocket without TLS", () => {
    const { url } = readAddress(pageAt("http://[::1]:6080/vnc.html?token=a"));
    assert.equal(url, "ws://[::1]:6080/?token=a");
});

test("the websocket is always on the host of the page", () => {
    for (const path of ["//evil.example.org/", "https://evil.example.org/",
        "\\\\evil.example.org\\", "@evil.example.org/"]) {
        const query = new URLSearchParams({ path, token: "a" });
        const { url } = readAddress(pageAt(`${host}/vnc.html?${query}`));
        assert.equal(new URL(url).host, "console.example.org:6080");
    }
});

test("the token is removed from the address bar", () => {
    for (const [query, shown] of [
        ["token=a", "/vnc.html"],
        ["path=%3Ftoken%3Da", "/vnc.html"],
        ["view_only=1&token=a&resize=off", "/vnc.html?view_only=1&resize=off"],
    ]) {
        const page = pageAt(`${host}/vnc.html?${query}`);
        readAddress(page);
        assert.equal(page.location.shown, shown);
    }
});

test("a reload has the token, and another page has not", () => {
    const items = {};
    readAddress(pageAt(`${host}/vnc.html?token=a`, items));
    const { url } = readAddress(pageAt(`${host}/vnc.html`, items));
    assert.equal(url, `${websocket}/?token=a`);
    assert.equal(readAddress(pageAt(`${host}/serial.html`, items)).url, null);
});

test("a page without storage works, but not after a reload", () => {
    const page = pageAt(`${host}/vnc.html?token=a`);
    Object.defineProperty(page, "sessionStorage", {
        get() { throw new Error("SecurityError"); },
    });
    assert.equal(readAddress(page).url, `${websocket}/?token=a`);
    page.location.search = "";
    assert.equal(readAddress(page).url, null);
});

test("options of the URL", () => {
    const options = query => {
        const { viewOnly, resize } = readAddress(
            pageAt(`${host}/vnc.html?token=a&${query}`));
        return [viewOnly, resize];
    };
    assert.deepEqual(options(""), [false, "scale"]);
    assert.deepEqual(options("view_only=true&resize=remote"),
        [true, "remote"]);
    assert.deepEqual(options("view_only=0"), [false, "scale"]);
});
