// SPDX-License-Identifier: Apache-2.0

/** The screen of serial recordings, by asciinema's player; see player.js. */

import AsciinemaPlayer
    from "../vendor/asciinema-player/asciinema-player.js";

/** The size of the terminal: a serial console does not tell it. */
const SIZE = { cols: 80, rows: 24 };

class Screen {
    #dispatch;

    /** @param {function} dispatch gives an event to asciinema's terminal */
    constructor(dispatch) {
        this.#dispatch = dispatch;
    }

    feed(data) {
        if (data !== null) this.#dispatch("output", data);
    }

    reset() {
        this.#dispatch("reset", { size: SIZE });
    }

    settle() {}
}

/**
 * Returns a screen in an element.
 *
 * @param {HTMLElement} element
 */
export function openScreen(element) {
    return new Promise(resolve => {
        // A driver without a clock and without controls: those are the page's.
        const driver = ({ dispatch }) => ({
            play() {
                dispatch("playing");
                resolve(new Screen(dispatch));
            },
        });
        const player = AsciinemaPlayer.create(driver, element, {
            ...SIZE, autoPlay: true, controls: false, fit: "both",
            theme: "console",
        });
        // Its keys are those of its own controls.
        player.el.addEventListener(
            "keydown", event => event.stopPropagation());
    });
}
