// SPDX-License-Identifier: Apache-2.0

/**
 * Keys by their codes (KeyboardEvent.code): chords, and the keys that type a
 * text on a keyboard with US layout.
 */

/** Chords that browsers or operating systems keep for themselves. */
export const CHORDS = {
    "Ctrl+Alt+Del": ["ControlLeft", "AltLeft", "Delete"],
    "Ctrl+Alt+Backspace": ["ControlLeft", "AltLeft", "Backspace"],
    "Ctrl+Alt+F1": ["ControlLeft", "AltLeft", "F1"],
    "Ctrl+Alt+F2": ["ControlLeft", "AltLeft", "F2"],
    "Ctrl+Alt+F7": ["ControlLeft", "AltLeft", "F7"],
    "Ctrl+C": ["ControlLeft", "KeyC"],
    "Alt+Tab": ["AltLeft", "Tab"],
    "Alt+F4": ["AltLeft", "F4"],
    "Esc": ["Escape"],
    "Tab": ["Tab"],
    "F8": ["F8"],
    "F11": ["F11"],
    "F12": ["F12"],
    "Meta": ["MetaLeft"],
    "Print": ["PrintScreen"],
};

/** Keysyms of X11 (keysymdef.h) of keys without a character. */
const KEYSYMS = {
    Backspace: 0xff08, Tab: 0xff09, Enter: 0xff0d, Escape: 0xff1b,
    ArrowLeft: 0xff51, ArrowUp: 0xff52, ArrowRight: 0xff53,
    ArrowDown: 0xff54, PrintScreen: 0xff61, ShiftLeft: 0xffe1,
    ControlLeft: 0xffe3, AltLeft: 0xffe9, MetaLeft: 0xffeb, Delete: 0xffff,
};
for (let number = 1; number <= 12; number++)
    KEYSYMS[`F${number}`] = 0xffbd + number;

/** Code -> its characters without and with Shift. */
const CHARACTERS = {
    Backquote: "`~", Minus: "-_", Equal: "=+", BracketLeft: "[{",
    BracketRight: "]}", Backslash: "\\|", Semicolon: ";:", Quote: "'\"",
    Comma: ",<", Period: ".>", Slash: "/?", Space: " ",
};
[..."0123456789"].forEach((digit, index) => {
    CHARACTERS[`Digit${digit}`] = digit + ")!@#$%^&*("[index];
});
for (const letter of "abcdefghijklmnopqrstuvwxyz")
    CHARACTERS[`Key${letter.toUpperCase()}`] = letter + letter.toUpperCase();

/** Character -> the keys that type it. */
const STROKES = new Map([["\n", ["Enter"]], ["\t", ["Tab"]]]);
for (const [code, [plain, shifted]] of Object.entries(CHARACTERS)) {
    STROKES.set(plain, [code]);
    if (shifted) STROKES.set(shifted, ["ShiftLeft", code]);
}

/**
 * Returns the keysym of a key.
 *
 * @param {string} code
 * @param {boolean} isShifted whether Shift is pressed
 */
export function keysym(code, isShifted = false) {
    const [plain, shifted] = CHARACTERS[code] ?? "";
    return KEYSYMS[code] ?? (isShifted && shifted || plain)?.codePointAt(0);
}

/**
 * Returns the keys that type a text, and the characters that none types.
 *
 * @param {string} text
 * @returns {{strokes: string[][], missing: string}}
 */
export function strokesOf(text) {
    const characters = [...text.replaceAll("\r\n", "\n")];
    const missing = new Set(characters.filter(it => !STROKES.has(it)));
    return {
        strokes: characters.filter(it => STROKES.has(it))
            .map(it => STROKES.get(it)),
        missing: [...missing].join(" "),
    };
}
