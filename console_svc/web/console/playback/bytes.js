// SPDX-License-Identifier: Apache-2.0

/** Arrays of bytes. */

/** @param {Uint8Array[]} parts */
export function concat(parts) {
    if (parts.length === 1) return parts[0];
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const all = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}

/** Reads a big-endian number of 4 bytes. */
export function uint32(bytes, at) {
    return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8
        | bytes[at + 3]) >>> 0;
}

/** Reads a big-endian number of 2 bytes. */
export function uint16(bytes, at) {
    return bytes[at] << 8 | bytes[at + 1];
}
