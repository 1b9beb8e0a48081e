// SPDX-License-Identifier: Apache-2.0

/**
 * The keyboard of a phone, for a screen that is not a text field.
 *
 * Such keyboards send few key events, but change the text of the field that
 * has the focus. So a field that nobody sees gets the focus, and its changes
 * become characters and Backspaces.
 */

/** Text before the cursor, so that there is something to delete. */
const FILLER = "_".repeat(20);

export class TouchKeyboard {
    /**
     * @param {(text: string) => void} type
     * @param {(keys: string[]) => void} press
     */
    constructor(type, press) {
        this.type = type;
        this.press = press;
        this.field = document.createElement("textarea");
        this.field.className = "touch-keyboard";
        this.field.ariaHidden = "true";
        this.field.tabIndex = -1;
        this.field.autocapitalize = "off";
        this.field.autocomplete = "off";
        this.field.spellcheck = false;
        this.field.addEventListener("input", event => this.changed(event));
        this.field.addEventListener("compositionend", () => this.reset());
        this.reset();
    }

    /** Shows the keyboard; hides it if it is shown. */
    toggle() {
        if (document.activeElement === this.field) this.field.blur();
        else this.field.focus();
    }

    reset() {
        this.field.value = this.before = FILLER;
    }

    changed(event) {
        const { before, field: { value } } = this;
        let same = 0;
        while (same < before.length && before[same] === value[same]) same++;
        for (let count = before.length - same; count > 0; count--)
            this.press(["Backspace"]);
        if (value.length > same) this.type(value.slice(same));
        this.before = value;
        if (!event.isComposing) this.reset();
    }
}
