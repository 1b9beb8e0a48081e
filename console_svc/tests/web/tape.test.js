// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import { asciicast } from "../../web/console/playback/asciicast.js";
import { fbs } from "../../web/console/playback/fbs.js";
import { Tape } from "../../web/console/playback/tape.js";
import { castFile, fbsFile } from "./playback.js";

const BLOCKS = [
    [0, [1, 2, 3]], [40, []], [70_000, [4, 5, 6, 7]], [70_001, [8]],
];

/** The records that a cursor can read, as [time, data]. */
async function recordsAfter(cursor) {
    const found = [];
    for (;;) {
        const record = await cursor.peek();
        if (record === null) return found;
        cursor.take(record);
        const { time, data } = record;
        found.push(
            [time, data instanceof Uint8Array ? [...data] : data]);
    }
}

function tapeOf(format, file, size = file.length) {
    const tape = new Tape(format);
    for (let at = 0; at < file.length; at += size)
        tape.add(file.subarray(at, at + size));
    return tape;
}

test("blocks that come in parts of any size", async () => {
    const file = fbsFile(BLOCKS);
    for (const size of [1, 5, 13, file.length]) {
        const tape = tapeOf(fbs, file, size);
        assert.equal(tape.duration, 70_001);
        assert.deepEqual(await recordsAfter(tape.cursor()), BLOCKS);
    }
});

test("events that come in parts of any size", async () => {
    const file = castFile(
        [[0.25, "o", "hé\u001b[1m\n"], [1, "i", "x"], [2.5, "o", "b"]]);
    for (const size of [1, 5, 13, file.length]) {
        const tape = tapeOf(asciicast, file, size);
        assert.equal(tape.duration, 2500);
        assert.deepEqual(
            await recordsAfter(tape.cursor()),
            [[250, "hé\u001b[1m\n"], [1000, null], [2500, "b"]]);
    }
});

test("an unfinished recording ends before a record that was cut", async () => {
    const file = fbsFile(BLOCKS);
    const tape = tapeOf(fbs, file.subarray(0, -1));
    tape.finish();
    assert.equal(tape.duration, 70_000);
    assert.deepEqual(await recordsAfter(tape.cursor()), BLOCKS.slice(0, -1));
});

test("a cursor reads what is loaded later", async () => {
    const file = fbsFile(BLOCKS);
    const tape = new Tape(fbs);
    const cursor = tape.cursor();
    assert.deepEqual(await recordsAfter(cursor), []);
    tape.add(file.subarray(0, 30));
    assert.deepEqual(await recordsAfter(cursor), BLOCKS.slice(0, 1));
    tape.add(file.subarray(30));
    assert.deepEqual(await recordsAfter(cursor), BLOCKS.slice(1));
});

test("a recording that is larger than a segment", async () => {
    const data = Array.from({ length: 3000 }, (_, at) => at % 251);
    const blocks = Array.from({ length: 1000 }, (_, at) => [at, data]);
    const tape = tapeOf(fbs, fbsFile(blocks), 65_536);
    assert.ok(tape.segments.length > 2);
    const cursor = tape.cursor();
    assert.deepEqual(await recordsAfter(cursor), blocks);
    // It goes on behind a full segment.
    tape.add(fbsFile([[2000, [9]]]).subarray(12));
    assert.deepEqual(await recordsAfter(cursor), [[2000, [9]]]);
});

test("other files are refused", () => {
    const bytes = text => new TextEncoder().encode(text);
    for (const [format, file] of [
        [fbs, "FBS 002.000\n"],
        [asciicast, '{"version": 3}\n'],
        [asciicast, "FBS 001.000\n"],
    ])
        assert.throws(() => new Tape(format).add(bytes(file)), Error, file);
});
