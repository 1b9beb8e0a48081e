// SPDX-License-Identifier: Apache-2.0

/**
 * The format of VNC recordings, FBS 001.000; see tape.js.
 *
 * console_svc/recordings/fbs.py describes it.
 */

import { uint32 } from "./bytes.js";

const VERSION = "FBS 001.000\n";

export const fbs = {
    mediaType: "application/x-fbs",

    headerSize(bytes) {
        if (bytes.length < VERSION.length) return null;
        const found = String.fromCharCode(...bytes.subarray(0, VERSION.length));
        if (found !== VERSION) throw new Error("not an FBS file");
        return VERSION.length;
    },

    /** A block of what the server has sent. */
    record(bytes, at) {
        if (at + 4 > bytes.length) return null;
        const size = uint32(bytes, at);
        const end = at + 4 + Math.ceil(size / 4) * 4 + 4;
        if (end > bytes.length) return null;
        return {
            end,
            time: uint32(bytes, end - 4),
            data: bytes.subarray(at + 4, at + 4 + size),
        };
    },
};
