// SPDX-License-Identifier: Apache-2.0

/**
 * Plays a tape on a screen: pause, speed, and jumps.
 *
 * A jump decodes what lies between, as fast as possible: a record cannot be
 * decoded without those before it.
 *
 * A screen (terminal_screen.js, vnc_screen.js) has:
 *
 * feed(data)   shows the data of the next record; may return a promise
 * reset()      begins anew; what was shown may stay until settle()
 * settle()     what was fed is complete; may return a promise
 */

/** Milliseconds of work after which the browser may do something else. */
const BUSY = 30;

/** The timers of a browser. */
const TIMERS = {
    now: () => performance.now(),
    start: (milliseconds, action) => setTimeout(action, milliseconds),
    stop: timer => clearTimeout(timer),
};

/** The longest delay that browsers accept. */
const LONGEST = 2 ** 31 - 1;

export class Player {
    #tape;
    #screen;
    #cursor;
    #changed;
    #timers;
    /** The position at a time, in milliseconds. */
    #base = 0;
    #since = 0;
    #speed = 1;
    /** Whether the user has started it, and not paused it. */
    #isPlaying = false;
    /** Whether the next record is not loaded. */
    #isWaiting = false;
    /** Where a jump leads; null: there is none. */
    #target = null;
    /** The time of the last record on the screen. */
    #shown = -1;
    #isClosed = false;
    #wake = () => {};

    /**
     * @param {Tape} tape
     * @param {object} screen
     * @param {() => void} changed called when the state has changed
     */
    constructor(tape, screen, changed = () => {}, timers = TIMERS) {
        this.#tape = tape;
        this.#screen = screen;
        this.#cursor = tape.cursor();
        this.#changed = changed;
        this.#timers = timers;
    }

    /** "playing", "paused", "seeking", "waiting" or "ended". */
    get state() {
        if (this.#target !== null) return "seeking";
        if (this.#isPlaying) return this.#isWaiting ? "waiting" : "playing";
        const { isComplete, duration } = this.#tape;
        return isComplete && this.#base >= duration ? "ended" : "paused";
    }

    /** Milliseconds from the start of the recording. */
    get position() {
        if (this.#target !== null) return this.#target;
        const { isComplete, duration } = this.#tape;
        return isComplete ? Math.min(this.#now(), duration) : this.#now();
    }

    get isPlaying() {
        return this.#isPlaying;
    }

    get speed() {
        return this.#speed;
    }

    set speed(speed) {
        this.#move(this.#now());
        this.#speed = speed;
        this.#update();
    }

    /** Plays; at the end, from the start. */
    play() {
        if (this.state === "ended") this.#target = 0;
        this.#move(this.#now());
        this.#isPlaying = true;
        this.#update();
    }

    pause() {
        this.#move(this.#now());
        this.#isPlaying = false;
        this.#update();
    }

    /**
     * Jumps, at most to the end of what is loaded.
     *
     * @param {number} position milliseconds
     */
    seek(position) {
        this.#target = Math.min(Math.max(0, position), this.#tape.duration);
        this.#update();
    }

    /** The tape has more, or is complete. */
    grew() {
        if (this.#isWaiting) {
            this.#move(this.#now());
            this.#isWaiting = false;
        }
        this.#update();
    }

    close() {
        this.#isClosed = true;
        this.#wake();
    }

    /** Works until it is closed; what a screen throws ends it. */
    async run() {
        while (!this.#isClosed) {
            const woken = new Promise(resolve => { this.#wake = resolve; });
            if (this.#target !== null) {
                await this.#jump();
                continue;
            }
            const delay = this.#isPlaying ? await this.#advance() : null;
            if (this.#target !== null || this.#isClosed) continue;
            const timer = delay === null ? null : this.#timers.start(
                Math.min(delay, LONGEST), this.#wake);
            await woken;
            this.#timers.stop(timer);
        }
    }

    /** The position on the clock. */
    #now() {
        if (!this.#isPlaying || this.#isWaiting) return this.#base;
        return this.#base + (this.#timers.now() - this.#since) * this.#speed;
    }

    #move(position) {
        this.#base = position;
        this.#since = this.#timers.now();
    }

    #update() {
        this.#wake();
        this.#changed();
    }

    /** Jumps to the target, or to another one that is set meanwhile. */
    async #jump() {
        const target = this.#target;
        if (target < this.#shown) {
            this.#shown = -1;
            this.#cursor = this.#tape.cursor();
            await this.#screen.reset();
        }
        await this.#show(
            record => record.time <= target && this.#target === target);
        if (this.#target !== target) return;
        await this.#screen.settle();
        this.#target = null;
        this.#move(target);
        this.#isWaiting = false;
        this.#changed();
    }

    /**
     * Shows what is due.
     *
     * @returns {?number} milliseconds until the next record; null: none
     */
    async #advance() {
        const next = await this.#show(
            record => this.#isPlaying && this.#target === null
                && record.time <= this.#now());
        if (!this.#isPlaying || this.#target !== null) return null;
        if (next) return (next.time - this.#now()) / this.#speed;
        if (this.#tape.isComplete) {
            this.#move(this.#tape.duration);
            this.#isPlaying = false;
        } else {
            this.#move(this.#now());
            this.#isWaiting = true;
        }
        this.#changed();
        return null;
    }

    /** Shows records while a condition holds; returns the next one. */
    async #show(condition) {
        let since = this.#timers.now();
        for (;;) {
            const record = await this.#cursor.peek();
            if (!record || this.#isClosed || !condition(record)) return record;
            this.#cursor.take(record);
            this.#shown = Math.max(this.#shown, record.time);
            await this.#screen.feed(record.data);
            if (this.#timers.now() - since < BUSY) continue;
            await new Promise(resolve => this.#timers.start(0, resolve));
            this.#changed();
            since = this.#timers.now();
        }
    }
}
