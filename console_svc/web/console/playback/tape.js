// SPDX-License-Identifier: Apache-2.0

/**
 * A recording, also while it is loaded: records in the order of their times.
 *
 * A format (asciicast.js, fbs.js) has:
 *
 * mediaType            as the console proxy sends it
 * headerSize(bytes)    the size of the file's header; null: it is not complete
 * record(bytes, at)    the record at an offset: where it ends, its time in
 *                      milliseconds from the start, and its data for the
 *                      screen; null: it is not complete
 */

import { concat } from "./bytes.js";

/** Bytes of a segment: these are read together. */
const SEGMENT = 1 << 20;

const NOTHING = new Uint8Array();

/** Whole records. The browser may store a blob on disk. */
class Segment {
    #parts = [];
    #blob = null;
    size = 0;

    get isFull() {
        return this.#blob !== null;
    }

    add(bytes) {
        this.#parts.push(bytes);
        this.size += bytes.length;
        if (this.size < SEGMENT) return;
        this.#blob = new Blob(this.#parts);
        this.#parts = [];
    }

    async bytes() {
        if (this.#blob === null) return concat([NOTHING, ...this.#parts]);
        return new Uint8Array(await this.#blob.arrayBuffer());
    }
}

export class Tape {
    #rest = NOTHING;
    #hasHeader = false;

    constructor(format) {
        this.format = format;
        this.segments = [];
        /** Milliseconds to the last record that is loaded. */
        this.duration = 0;
        /** Whether nothing more is loaded. */
        this.isComplete = false;
    }

    /**
     * Adds bytes of the file.
     *
     * @param {Uint8Array} bytes
     */
    add(bytes) {
        let rest = concat([this.#rest, bytes]);
        if (!this.#hasHeader) {
            const size = this.format.headerSize(rest);
            this.#hasHeader = size !== null;
            rest = rest.subarray(size ?? 0);
        }
        let end = 0;
        while (this.#hasHeader) {
            const record = this.format.record(rest, end);
            if (record === null) break;
            end = record.end;
            this.duration = Math.max(this.duration, record.time);
        }
        if (end > 0) this.#segment().add(rest.slice(0, end));
        this.#rest = rest.slice(end);
    }

    /** Nothing more is added. A record that is not complete is left out. */
    finish() {
        this.isComplete = true;
        this.#rest = NOTHING;
    }

    /** Returns a position at the beginning. */
    cursor() {
        return new Cursor(this);
    }

    #segment() {
        if (this.segments.at(-1)?.isFull ?? true)
            this.segments.push(new Segment());
        return this.segments.at(-1);
    }
}

/** A position before a record. */
class Cursor {
    #tape;
    #segment = 0;
    #bytes = NOTHING;
    #at = 0;

    constructor(tape) {
        this.#tape = tape;
    }

    /** Returns the next record; null: it is not loaded, or there is none. */
    async peek() {
        for (;;) {
            const segment = this.#tape.segments[this.#segment];
            if (!segment) return null;
            if (this.#bytes.length < segment.size)
                this.#bytes = await segment.bytes();
            if (this.#at < this.#bytes.length)
                return this.#tape.format.record(this.#bytes, this.#at);
            if (!segment.isFull) return null;
            this.#segment++;
            this.#bytes = NOTHING;
            this.#at = 0;
        }
    }

    /** Moves behind the record that peek() has returned. */
    take(record) {
        this.#at = record.end;
    }
}
