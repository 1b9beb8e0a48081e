// SPDX-License-Identifier: Apache-2.0

/** The dialogs of a console page. */

import { button, element } from "./elements.js";
import { strokesOf } from "./keys.js";
import { text } from "./strings.js";

/** Shows a dialog; returns a promise of the button that has closed it. */
function show(title, content, buttons) {
    const heading = element("h2", { id: "dialog-title" }, title);
    const dialog = element(
        "dialog", {},
        element(
            "form", { method: "dialog" },
            heading, ...content,
            element("p", { className: "buttons" }, ...buttons),
        ),
    );
    dialog.setAttribute("aria-labelledby", heading.id);
    document.body.append(dialog);
    dialog.showModal();
    return new Promise(resolve => {
        dialog.addEventListener("close", () => {
            dialog.remove();
            resolve(dialog.returnValue);
        });
    });
}

function submit(label, value) {
    return element("button", { value }, label);
}

/** A button that closes its dialog, also if a field is required. */
function cancel(label) {
    return element("button", { value: "", formNoValidate: true }, label);
}

function area(label, properties = {}) {
    const field = element("textarea", {
        rows: 6, autocomplete: "off", spellcheck: false, ...properties,
    });
    return [field, element("label", {}, label, field)];
}

/**
 * Asks for what a log-in needs.
 *
 * @param {string[]} names of fields, such as username and password
 * @param {string} [hint] a text above the fields; they may be empty then
 * @returns {Promise<?object>} their values; null: the user has cancelled
 */
export async function askLogin(names, hint) {
    const fields = names.map(name => element("input", {
        name, required: !hint && name !== "domain", autocomplete: "off",
        type: name === "password" ? "password" : "text",
    }));
    const labels = fields.map(it => element("label", {}, text(it.name), it));
    const content = hint ? [element("p", {}, hint), ...labels] : labels;
    const answer = await show(text("logIn"), content, [
        submit(text("logIn"), "log in"), cancel(text("cancel")),
    ]);
    if (!answer) return null;
    return Object.fromEntries(fields.map(it => [it.name, it.value]));
}

/**
 * Asks for a text to type.
 *
 * @returns {Promise<string>} empty: the user has cancelled
 */
export async function askText() {
    const [field, label] = area(text("pasteText"));
    const leftOut = element("output");
    field.addEventListener("input", () => {
        const characters = strokesOf(field.value).missing;
        leftOut.textContent = characters
            && text("pasteLeftOut", { characters });
    });
    const warning = element("p", {}, text("pasteWarning"));
    const answer = await show(text("paste"), [warning, label, leftOut], [
        submit(text("pasteType"), "type"), cancel(text("cancel")),
    ]);
    return answer ? field.value : "";
}

/**
 * Shows the clipboard of the console.
 *
 * @param {string} current the text that was copied in the guest
 * @param {boolean} isIn whether the user may send a text to the guest
 * @param {boolean} isOut whether the user may copy the text of the guest
 * @returns {Promise<?string>} the text for the guest; null: nothing to send
 */
export async function showClipboard(current, isIn, isOut) {
    const [field, label] = area(
        text("clipboardText"), { value: current, readOnly: !isIn },
    );
    const buttons = [cancel(text("close"))];
    if (isOut)
        buttons.unshift(button(text("clipboardFromGuest"), () => {
            field.select();
            // Without TLS, pages have no navigator.clipboard.
            if (navigator.clipboard) navigator.clipboard.writeText(field.value);
            else document.execCommand("copy");
        }));
    if (isIn) buttons.unshift(submit(text("clipboardToGuest"), "send"));
    const hint = isOut
        ? [element("p", {}, text("clipboardHint"))] : [];
    const answer = await show(text("clipboard"), [...hint, label], buttons);
    return answer ? field.value : null;
}
