// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { test } from "node:test";

import {
    Translator, byteOrder, isOwn,
} from "../../web/console/playback/pixels.js";
import { joined } from "./playback.js";

const u16 = number => [number >> 8, number & 255];
const u32 = number =>
    [number >> 24 & 255, number >> 16 & 255, number >> 8 & 255, number & 255];

/** A pixel format with shifts, as in ServerInit. */
function format(isBigEndian, ...shifts) {
    return Uint8Array.from([
        32, 24, Number(isBigEndian), 1, 0, 255, 0, 255, 0, 255, ...shifts,
        0, 0, 0,
    ]);
}

/** That of most native clients: blue, green, red. */
const ORDER = byteOrder(format(false, 16, 8, 0));

function rectangle(width, height, encoding, ...data) {
    return [...u16(1), ...u16(2), ...u16(width), ...u16(height),
        ...u32(encoding), ...data];
}

function update(count, ...rectangles) {
    return [0, 0, ...u16(count), ...rectangles.flat()];
}

/** Translates messages that come in parts of a size. */
function translated(bytes, size = bytes.length) {
    const translator = new Translator(ORDER);
    const out = [];
    for (let at = 0; at < bytes.length; at += size)
        out.push(translator.push(Uint8Array.from(bytes.slice(at, at + size))));
    return [...joined(out)];
}

test("the order of the bytes of a pixel", () => {
    for (const [found, order] of [
        [format(false, 0, 8, 16), [0, 1, 2]],
        [format(true, 24, 16, 8), [0, 1, 2]],
        [format(false, 16, 8, 0), [2, 1, 0]],
        [format(true, 16, 8, 0), [1, 2, 3]],
        [format(false, 8, 16, 24), [1, 2, 3]],
    ]) {
        assert.deepEqual(byteOrder(found), order);
        assert.equal(isOwn(byteOrder(found)), order[0] === 0);
    }
});

test("raw pixels are put into noVNC's order", () => {
    const pixels = [1, 2, 3, 9, 4, 5, 6, 9, 7, 8, 9, 9, 10, 11, 12, 9];
    const own = [3, 2, 1, 0, 6, 5, 4, 0, 9, 8, 7, 0, 12, 11, 10, 0];
    const message = update(1, rectangle(2, 2, 0, ...pixels));
    const expected = update(1, rectangle(2, 2, 0, ...own));
    for (const size of [1, 7, message.length])
        assert.deepEqual(translated(message, size), expected);
});

test("rectangles without pixels pass as they are", () => {
    const tight = (width, height, ...data) =>
        rectangle(width, height, 7, ...data);
    const some = count => Array.from({ length: count }, (_, at) => at % 199);
    const message = update(
        17,
        rectangle(0, 0, 0), rectangle(0, 5, 0), rectangle(5, 0, 0),
        rectangle(3, 3, 1, ...u16(1), ...u16(2)),
        tight(8, 8, 0x80, 1, 2, 3),
        // JPEG, and PNG, with sizes of one, two and three bytes.
        tight(8, 8, 0x90, 3, 1, 2, 3),
        tight(8, 8, 0x90, 0x80 | 300 & 127, 300 >> 7, ...some(300)),
        rectangle(8, 8, -260, 0xa0,
            0x80 | 20_000 & 127, 0x80 | 20_000 >> 7 & 127, 20_000 >> 14,
            ...some(20_000)),
        // Copied: too little to compress, and compressed.
        tight(1, 3, 0x00, ...some(9)),
        tight(2, 2, 0x10, 5, ...some(5)),
        // Palettes of two colours and of three, and a gradient.
        tight(9, 2, 0x40, 1, 1, ...some(6), 1, 2, 3, 4),
        tight(4, 4, 0x50, 1, 2, ...some(9), 6, ...some(6)),
        tight(4, 4, 0x60, 2, 7, ...some(7)),
        rectangle(9, 2, -239, ...some(9 * 2 * 4 + 4)),
        rectangle(2, 1, 0x574d5664, 0, 0, ...some(16)),
        rectangle(2, 1, 0x574d5664, 1, 0, ...some(8)),
        rectangle(0, 0, -307, ...u32(5), ...some(5)),
    );
    const others = update(
        0xffff,
        rectangle(640, 480, -308, 2, 0, 0, 0, ...some(32)),
        rectangle(640, 480, -223), rectangle(0, 0, -258),
        rectangle(0, 0, -316), rectangle(0, 0, -261, 7),
        rectangle(0, 0, -224),
    );
    const all = [...message, ...others, ...message];
    for (const size of [1, 1000, all.length])
        assert.deepEqual(translated(all, size), all);
});

test("sizes of more than 2 MiB have 8 bits in their third byte", () => {
    const size = 0x81 << 14;
    const jpeg = rectangle(8, 8, 7, 0x90, 0x80, 0x80, 0x81);
    const message = new Uint8Array([
        ...update(2, jpeg), ...new Uint8Array(size), ...rectangle(0, 0, -223),
    ]);
    const out = new Translator(ORDER).push(message);
    assert.equal(out.length, message.length);
});

test("messages that show nothing are left out", () => {
    const first = update(1, rectangle(1, 1, 0, 1, 2, 3, 4));
    const shown = update(1, rectangle(1, 1, 0, 3, 2, 1, 0));
    const all = [
        2, 150, 3, 0, 0, 0, ...u32(2), 1, 2,
        3, 0, 0, 0, ...u32(-4), 1, 2, 3, 4,
        248, 0, 0, 0, ...u32(0), 3, 1, 2, 3, 250, 0, 1, 1,
        ...first, 2,
    ];
    for (const size of [1, 3, all.length])
        assert.deepEqual(translated(all, size), shown);
});

test("what noVNC cannot decode is an error", () => {
    for (const message of [
        [1], [77], update(1, rectangle(1, 1, 16)),
        update(1, rectangle(1, 1, 7, 0xb0)),
    ])
        assert.throws(() => translated([...message, 0, 0]), Error);
});
