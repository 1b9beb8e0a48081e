// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import { Retry, reasonName } from "../../web/console/retry.js";

/** A Retry whose clock stands still, unless a test moves it. */
function newRetry() {
    const clock = { now: 0 };
    return [new Retry(() => clock.now), clock];
}

test("the network, the proxy and a reboot are temporary", () => {
    for (const code of [1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014]) {
        const [retry] = newRetry();
        assert.ok(retry.delay(code) > 0, code);
    }
});

test("a refusal is final", () => {
    for (const code of [1002, 1003, 1007, 1008, 1009, 3000, 4000, 4999]) {
        const [retry] = newRetry();
        assert.equal(retry.delay(code), null, code);
    }
});

test("a refusal is temporary while a guest may restart", () => {
    const [retry, clock] = newRetry();
    retry.opened();
    clock.now = 1_000;
    assert.ok(retry.delay(1000));
    clock.now += 29_999;
    assert.ok(retry.delay(1008));
    clock.now += 1;
    assert.equal(retry.delay(1008), null);
});

test("a refusal is final if a session was ended", () => {
    const [retry] = newRetry();
    retry.opened();
    retry.delay(1006);
    retry.opened();
    assert.equal(retry.delay(1008), null);
    assert.equal(retry.delay(1008), null);
});

test("a refusal is final if the user asks for a connection", () => {
    const [retry] = newRetry();
    retry.opened();
    retry.delay(1006);
    retry.restart();
    assert.equal(retry.delay(1008), null);
});

test("delays increase, and users are back within 5 seconds", () => {
    const [retry] = newRetry();
    const delays = Array.from({ length: 20 }, () => retry.delay(1006));
    assert.ok(delays[0] <= 250);
    assert.ok(delays[2] > delays[0]);
    assert.ok(Math.max(...delays) <= 3000);
    assert.ok(delays.at(-1) >= 1500);
});

test("a page gives up after five minutes without a connection", () => {
    const [retry, clock] = newRetry();
    clock.now = 5 * 60_000 - 1;
    assert.ok(retry.delay(1006));
    clock.now += 1;
    assert.equal(retry.delay(1006), null);
    retry.restart();
    assert.ok(retry.delay(1006));
});

test("a connection that has lasted begins anew", () => {
    const [retry, clock] = newRetry();
    for (let attempt = 0; attempt < 9; attempt++) retry.delay(1006);
    clock.now = 4 * 60_000;
    retry.opened();
    clock.now += 5_000;
    assert.ok(retry.delay(1006) <= 250);
    clock.now += 2 * 60_000;
    assert.ok(retry.delay(1006));
});

test("a connection that is closed at once does not", () => {
    const [retry] = newRetry();
    for (let attempt = 0; attempt < 9; attempt++) {
        retry.opened();
        retry.delay(1014);
    }
    assert.ok(retry.delay(1014) >= 1500);
});

test("a close without a reason has a text", () => {
    assert.equal(reasonName(1006), "lost");
    assert.equal(reasonName(1013), "unavailable");
    assert.equal(reasonName(1000), "ended");
    assert.equal(reasonName(1002), "failed");
});
