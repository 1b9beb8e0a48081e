// SPDX-License-Identifier: Apache-2.0

/** Times as users read them. */

/** Returns milliseconds as "1:02:03". */
export function duration(milliseconds) {
    const seconds = Math.floor(milliseconds / 1000);
    const two = number => String(number).padStart(2, "0");
    const minutes = Math.floor(seconds / 60);
    const end = two(seconds % 60);
    if (minutes < 60) return `${minutes}:${end}`;
    return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${end}`;
}

/**
 * Returns a time in the zone of the reader.
 *
 * @param {number} seconds of the UTC epoch
 */
export function startTime(seconds, language) {
    return new Date(seconds * 1000)
        .toLocaleString(language, { timeZoneName: "short" });
}
