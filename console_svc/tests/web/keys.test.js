// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import { CHORDS, keysym, strokesOf } from "../../web/console/keys.js";

test("a text becomes keys of a US keyboard", () => {
    assert.deepEqual(strokesOf("aB1!\r\n\t").strokes, [
        ["KeyA"], ["ShiftLeft", "KeyB"], ["Digit1"], ["ShiftLeft", "Digit1"],
        ["Enter"], ["Tab"],
    ]);
});

test("every printable ASCII character has a key and its keysym", () => {
    for (let code = 0x20; code < 0x7f; code++) {
        const { strokes: [keys], missing } = strokesOf(
            String.fromCharCode(code));
        assert.equal(missing, "");
        assert.equal(keysym(keys.at(-1), keys.length > 1), code);
    }
});

test("characters without a key are reported once", () => {
    const { strokes, missing } = strokesOf("aé€é😀");
    assert.deepEqual(strokes, [["KeyA"]]);
    assert.equal(missing, "é € 😀");
});

test("each key of a chord has a keysym", () => {
    for (const keys of Object.values(CHORDS))
        for (const key of keys) assert.ok(keysym(key) > 0, key);
    assert.equal(keysym("F12"), 0xffc9);
    assert.equal(keysym("Unknown"), undefined);
});
