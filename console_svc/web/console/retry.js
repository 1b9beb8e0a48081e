// SPDX-License-Identifier: Apache-2.0

/**
 * When to connect again after a websocket was closed.
 *
 * doc/source/admin/proxy.rst lists the proxy's close codes.
 */

/**
 * Close codes after which the page connects again by itself: the network or
 * the proxy failed, or the guest is restarting. All others are final; 1008,
 * the token is invalid or the session was ended, unless a guest restarts.
 */
const TEMPORARY = new Set([
    1000,  // the hypervisor has closed, as in a reboot
    1001,  // the proxy is shutting down
    1005,  // closed without a code
    1006,  // the network failed, or nobody listens
    1011,  // no answer to a ping
    1012, 1013,  // try again later
    1014,  // the hypervisor does not answer
]);

/** Milliseconds without a connection after which a page gives up. */
const PATIENCE = 5 * 60_000;

/** The code of a refusal by the API, or of a session that it has ended. */
const REFUSED = 1008;

/**
 * Milliseconds after a lost connection in which a refusal is temporary: the
 * token is not valid while its guest is off, as in a hard reboot.
 */
const RESTARTING = 30_000;

/** Milliseconds of a connection after which the next attempt is immediate. */
const STABLE = 5_000;

/** The longest delay: users are back within 5 seconds. */
const LONGEST = 3_000;

export class Retry {
    /** @param {() => number} now milliseconds */
    constructor(now = () => performance.now()) {
        this.now = now;
        this.restart();
    }

    /** Begins anew, as when the user asks for it. */
    restart() {
        this.attempts = 0;
        this.since = this.now();
        this.openedAt = null;
        this.lostAt = null;
    }

    opened() {
        this.openedAt = this.now();
    }

    /**
     * Returns the milliseconds until the next attempt; null: there is none.
     *
     * @param {number} code of the close
     */
    delay(code) {
        const now = this.now();
        const wasOpen = this.openedAt !== null;
        if (wasOpen && now - this.openedAt >= STABLE) this.restart();
        this.openedAt = null;
        const isTemporary = TEMPORARY.has(code);
        if (wasOpen) this.lostAt = isTemporary ? now : null;
        const isRestarting = code === REFUSED && this.lostAt !== null
            && now - this.lostAt < RESTARTING;
        if (!isTemporary && !isRestarting || now - this.since >= PATIENCE)
            return null;
        const longest = Math.min(LONGEST, 250 * 2 ** this.attempts++);
        // Not all browsers of a proxy that was restarted at the same time.
        return longest * (0.5 + Math.random() / 2);
    }
}

/** Returns the name of the text for a close without a reason. */
export function reasonName(code) {
    if ([1005, 1006].includes(code)) return "lost";
    if ([1012, 1013, 1014].includes(code)) return "unavailable";
    return code === 1000 ? "ended" : "failed";
}
