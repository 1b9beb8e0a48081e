// SPDX-License-Identifier: Apache-2.0

/**
 * Server messages of RFB (RFC 6143, section 7.6) with other pixels than
 * noVNC's, whose bytes are red, green, blue and one that is not used.
 *
 * A client that is not noVNC chooses the pixel format of its session. The
 * console proxy then lets only such encodings through as are here: of these,
 * only Raw depends on the order of the bytes. Messages that change nothing on
 * the screen are left out. Cursors are passed on as they are: the player does
 * not show them.
 */

import { concat, uint16, uint32 } from "./bytes.js";

const RAW = 0;
const COPY_RECT = 1;
const TIGHT = 7;
const TIGHT_PNG = -260;

const DESKTOP_SIZE = -223;
const LAST_RECT = -224;
const CURSOR = -239;
const QEMU_KEY_EVENT = -258;
const QEMU_LED = -261;
const DESKTOP_NAME = -307;
const EXTENDED_DESKTOP_SIZE = -308;
const EXTENDED_MOUSE_BUTTONS = -316;
const VMWARE_CURSOR = 0x574d5664;

/**
 * Returns where the bytes of red, green and blue are in a pixel.
 *
 * @param {Uint8Array} format as in ServerInit (RFC 6143, section 7.4)
 */
export function byteOrder(format) {
    const isBigEndian = format[2] !== 0;
    return [...format.subarray(10, 13)].map(
        shift => isBigEndian ? 3 - shift / 8 : shift / 8);
}

/** Whether the bytes of a pixel are those that noVNC expects. */
export function isOwn(order) {
    return order.every((byte, at) => byte === at);
}

/** Translates a stream of server messages. */
export class Translator {
    #parser;
    #wanted;
    #parts = [];
    #size = 0;
    #out = [];

    /** @param {number[]} order as of byteOrder() */
    constructor(order) {
        this.#parser = messages(order, bytes => this.#out.push(bytes));
        this.#wanted = this.#parser.next().value;
    }

    /**
     * Adds bytes of the stream.
     *
     * @param {Uint8Array} bytes
     * @returns {Uint8Array} what is complete, translated
     * @throws {Error} they have what the player cannot decode
     */
    push(bytes) {
        this.#parts.push(bytes);
        this.#size += bytes.length;
        if (this.#size >= this.#wanted) {
            const all = concat(this.#parts);
            let at = 0;
            while (all.length - at >= this.#wanted) {
                const end = at + this.#wanted;
                const taken = all.subarray(at, end);
                at = end;
                this.#wanted = this.#parser.next(taken).value;
            }
            this.#parts = [all.subarray(at)];
            this.#size = all.length - at;
        }
        const out = concat([new Uint8Array(), ...this.#out]);
        this.#out = [];
        return out;
    }
}

/**
 * Parses messages: yields how many bytes it needs next, and gets them.
 *
 * @param {(bytes: Uint8Array) => void} emit
 */
function* messages(order, emit) {
    for (;;) {
        const type = yield 1;
        switch (type[0]) {
            case 0:
                yield* update(type, order, emit);
                break;
            case 2: // Bell
            case 150: // EndOfContinuousUpdates
                break;
            case 3: { // ServerCutText; a negative size is an extended one
                const head = yield 7;
                yield Math.abs(uint32(head, 3) | 0);
                break;
            }
            case 248: { // ServerFence
                const head = yield 8;
                yield head[7];
                break;
            }
            case 250: // xvp
                yield 3;
                break;
            default:
                throw new Error(`unknown message ${type[0]}`);
        }
    }
}

/** A FramebufferUpdate. */
function* update(type, order, emit) {
    const head = yield 3;
    emit(type);
    emit(head);
    for (let left = uint16(head, 1); left > 0; left--) {
        const rectangle = yield 12;
        emit(rectangle);
        const width = uint16(rectangle, 4), height = uint16(rectangle, 6);
        const encoding = uint32(rectangle, 8) | 0;
        switch (encoding) {
            case RAW:
                for (let row = 0; row < height; row++)
                    emit(translated(yield width * 4, order));
                break;
            case COPY_RECT:
                emit(yield 4);
                break;
            case TIGHT:
            case TIGHT_PNG:
                yield* tight(width, height, emit);
                break;
            case LAST_RECT:
                return;
            case CURSOR:
                emit(yield (width * 4 + Math.ceil(width / 8)) * height);
                break;
            case VMWARE_CURSOR: {
                const kind = yield 2;
                emit(kind);
                emit(yield width * height * (kind[0] === 0 ? 8 : 4));
                break;
            }
            case DESKTOP_NAME: {
                const size = yield 4;
                emit(size);
                emit(yield uint32(size, 0));
                break;
            }
            case EXTENDED_DESKTOP_SIZE: {
                const count = yield 4;
                emit(count);
                emit(yield count[0] * 16);
                break;
            }
            case QEMU_LED:
                emit(yield 1);
                break;
            case DESKTOP_SIZE:
            case QEMU_KEY_EVENT:
            case EXTENDED_MOUSE_BUTTONS:
                break;
            default:
                throw new Error(`unknown encoding ${encoding}`);
        }
    }
}

/** The data of a rectangle in Tight, as rfbproto.rst describes it. */
function* tight(width, height, emit) {
    const control = yield 1;
    emit(control);
    const kind = control[0] >> 4;
    if (kind === 8) { // one colour
        emit(yield 3);
        return;
    }
    if (kind === 9 || kind === 10) { // JPEG or PNG
        yield* compact(emit);
        return;
    }
    if (kind > 7) throw new Error(`unknown compression ${kind}`);
    let size = width * height * 3;
    if (kind & 4) {
        const filter = yield 1;
        emit(filter);
        if (filter[0] === 1) { // a palette
            const last = yield 1;
            emit(last);
            const colours = last[0] + 1;
            emit(yield colours * 3);
            size = Math.ceil(width * (colours <= 2 ? 1 : 8) / 8) * height;
        }
    }
    // So little is not compressed.
    if (size >= 12) yield* compact(emit);
    else if (size > 0) emit(yield size);
}

/** Data after its size, in up to 3 bytes of 7 bits. */
function* compact(emit) {
    let size = 0;
    for (let shift = 0; shift < 21; shift += 7) {
        const byte = yield 1;
        emit(byte);
        size |= (shift < 14 ? byte[0] & 0x7f : byte[0]) << shift;
        if (byte[0] < 0x80) break;
    }
    emit(yield size);
}

/** Pixels in the order of noVNC. */
function translated(pixels, [red, green, blue]) {
    const own = new Uint8Array(pixels.length);
    for (let at = 0; at < pixels.length; at += 4) {
        own[at] = pixels[at + red];
        own[at + 1] = pixels[at + green];
        own[at + 2] = pixels[at + blue];
    }
    return own;
}
