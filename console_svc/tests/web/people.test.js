// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import { sentence } from "../../web/console/people.js";

const SINCE = 1_800_000_000;

test("a session of another user is a sentence", () => {
    const session = { mode: "control", user: "ada", address: "192.0.2.1" };
    assert.match(
        sentence({ ...session, since: SINCE }),
        /^User ada has had control since .+2027.+, from 192\.0\.2\.1\.$/);
    assert.match(
        sentence({ ...session, mode: "view", since: SINCE }),
        /^User ada has been watching since /);
});

test("what is unknown has a name", () => {
    assert.match(
        sentence({ mode: "view", user: null, address: null, since: SINCE }),
        /^Another user has been watching since .+, from an unknown address\.$/);
});
