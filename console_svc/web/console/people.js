// SPDX-License-Identifier: Apache-2.0

/**
 * Who else uses the console, as the proxy tells it.
 *
 * A session is { mode, user, address, since }: user and address may be null,
 * and since is in seconds of the UTC epoch.
 */

import { element } from "./elements.js";
import { language, text } from "./strings.js";

/** What the proxy tells if nobody else uses the console. */
export const NOBODY = { control: 0, view: 0, sessions: [] };

/** The part of the header that shows who else uses the console. */
export class People {
    constructor() {
        this.number = element("output", { id: "others" });
        this.details = element("details", { id: "people", hidden: true });
    }

    get elements() {
        return [this.number, this.details];
    }

    /**
     * @param {object} others how many have control, and how many watch, and
     *     the sessions of those that the user may know
     */
    show({ control, view, sessions }) {
        const numbers = [
            control && text("othersControl", { number: control }),
            view && text("othersView", { number: view }),
        ];
        // Screen readers announce what is set, changed or not.
        const shown = numbers.filter(Boolean).join(" ");
        if (this.number.textContent !== shown) this.number.textContent = shown;
        this.details.hidden = !sessions.length;
        this.details.replaceChildren(
            element("summary", {}, text("who")), listOf(sessions));
    }
}

/** Returns a list of sessions of others, for their readers. */
export function listOf(sessions) {
    return element(
        "ul", { className: "people" },
        ...sessions.map(it => element("li", {}, sentence(it))),
    );
}

/** Returns what a session of another user is, in a sentence. */
export function sentence({ mode, user, address, since }) {
    const values = {
        user: user === null ? text("anotherUser") : text("user", { user }),
        address: address ?? text("unknownAddress"),
        since: new Intl.DateTimeFormat(
            language, { dateStyle: "medium", timeStyle: "short" },
        ).format(since * 1000),
    };
    return mode === "control"
        ? text("hasControl", values) : text("watches", values);
}
