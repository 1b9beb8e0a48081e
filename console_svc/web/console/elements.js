// SPDX-License-Identifier: Apache-2.0

/** Creates elements. */

/**
 * Creates an element.
 *
 * @param {string} name
 * @param {object} properties of the element
 * @param {...(Node|string)} children
 */
export function element(name, properties = {}, ...children) {
    const created = document.createElement(name);
    Object.assign(created, properties);
    created.append(...children);
    return created;
}

/** Creates a button that is not the one that Enter presses in a form. */
export function button(text, onclick, properties = {}) {
    return element("button", { type: "button", onclick, ...properties }, text);
}
