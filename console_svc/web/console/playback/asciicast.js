// SPDX-License-Identifier: Apache-2.0

/**
 * The format of serial recordings, asciicast version 2; see tape.js.
 *
 * console_svc/recordings/cast.py writes it.
 */

const NEWLINE = 0x0a;

const decoder = new TextDecoder();

export const asciicast = {
    mediaType: "application/x-asciicast",

    headerSize(bytes) {
        const end = bytes.indexOf(NEWLINE);
        if (end < 0) return null;
        const header = JSON.parse(decoder.decode(bytes.subarray(0, end)));
        if (header.version !== 2) throw new Error("not asciicast version 2");
        return end + 1;
    },

    /** An event; its data is null unless it is output. */
    record(bytes, at) {
        const end = bytes.indexOf(NEWLINE, at);
        if (end < 0) return null;
        const line = decoder.decode(bytes.subarray(at, end));
        const [seconds, code, data] = JSON.parse(line);
        return {
            end: end + 1,
            time: seconds * 1000,
            data: code === "o" ? data : null,
        };
    },
};
