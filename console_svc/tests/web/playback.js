// SPDX-License-Identifier: Apache-2.0

/** Recordings for tests, and a screen that shows what it got. */

import { Player } from "../../web/console/playback/player.js";

const encoder = new TextEncoder();

/** Returns an FBS file with blocks of [milliseconds, bytes]. */
export function fbsFile(blocks) {
    const parts = [encoder.encode("FBS 001.000\n")];
    for (const [time, data] of blocks) {
        const padded = Math.ceil(data.length / 4) * 4;
        const block = new Uint8Array(4 + padded + 4);
        const view = new DataView(block.buffer);
        view.setUint32(0, data.length);
        block.set(data, 4);
        view.setUint32(4 + padded, time);
        parts.push(block);
    }
    return joined(parts);
}

/** Returns an asciicast file with events of [seconds, code, text]. */
export function castFile(events) {
    const header = { version: 2, width: 80, height: 24 };
    return encoder.encode(
        [header, ...events].map(line => `${JSON.stringify(line)}\n`).join(""));
}

export function joined(parts) {
    return Uint8Array.from(parts.flatMap(part => [...part]));
}

/** A clock that stands still until the test moves it. */
class Clock {
    constructor() {
        this.time = 0;
        this.timers = [];
    }

    now() {
        return this.time;
    }

    start(milliseconds, action) {
        const timer = { at: this.time + milliseconds, action };
        this.timers.push(timer);
        return timer;
    }

    stop(timer) {
        this.timers = this.timers.filter(it => it !== timer);
    }

    /** Lets time pass, from timer to timer. */
    async pass(milliseconds) {
        const end = this.time + milliseconds;
        for (;;) {
            await settled();
            const [next] = [...this.timers].sort((a, b) => a.at - b.at);
            if (!next || next.at > end) break;
            this.time = next.at;
            this.stop(next);
            next.action();
        }
        this.time = end;
    }
}

/** Waits until nothing but a timer can go on. */
export async function settled() {
    for (let turn = 0; turn < 20; turn++)
        await new Promise(resolve => setImmediate(resolve));
}

/** A player, and what it has shown since the last reset. */
export function playing(tape) {
    const screen = {
        shown: [],
        resets: 0,
        feed(data) { if (data !== null) this.shown.push(data); },
        reset() { this.resets++; this.shown = []; },
        settle() {},
    };
    const clock = new Clock();
    const player = new Player(tape, screen, () => {}, clock);
    const end = player.run();
    return { player, screen, clock, end };
}
