// SPDX-License-Identifier: Apache-2.0

/**
 * Inline styles under a content security policy without 'unsafe-inline'.
 *
 * xterm.js, the SPICE client and the RDP client create style elements and attributes, which
 * the policy blocks. It does not block the same styles if a script sets them
 * by the CSS object model, as is done here.
 */

class Sheet extends HTMLElement {
    #sheet = new CSSStyleSheet();
    /** The document, or the root of a shadow tree. */
    #root;

    set textContent(css) {
        this.#sheet.replaceSync(css);
    }

    connectedCallback() {
        this.#root = this.getRootNode();
        this.#root.adoptedStyleSheets.push(this.#sheet);
    }

    disconnectedCallback() {
        this.#root.adoptedStyleSheets = this.#root.adoptedStyleSheets
            .filter(sheet => sheet !== this.#sheet);
    }
}

/** Call it before the libraries create elements. */
export function allowInlineStyles() {
    if (customElements.get("adopted-sheet")) return;
    customElements.define("adopted-sheet", Sheet);
    const create = document.createElement.bind(document);
    document.createElement = (name, options) =>
        create(name === "style" ? "adopted-sheet" : name, options);
    const { setAttribute } = Element.prototype;
    Element.prototype.setAttribute = function (name, value) {
        if (name === "style") this.style.cssText = value;
        else setAttribute.call(this, name, value);
    };
}
