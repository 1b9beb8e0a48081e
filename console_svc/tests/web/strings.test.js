// SPDX-License-Identifier: Apache-2.0

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";

import { reasonName } from "../../web/console/retry.js";
import { text } from "../../web/console/strings.js";

const folder = new URL("../../web/console/", import.meta.url);

test("every text that a module names exists", async () => {
    const names = ["lost", "unavailable", "ended", "failed"];
    for (const file of await readdir(folder)) {
        if (!file.endsWith(".js") || file === "strings.js") continue;
        const source = await readFile(new URL(file, folder), "utf8");
        for (const [, name] of source.matchAll(
            /\b(?:text|this\.show|run)\("(\w+)"/g)) names.push(name);
    }
    assert.ok(names.length > 20);
    for (const name of names) assert.ok(text(name), name);
});

test("values replace the names in braces", () => {
    assert.equal(text(reasonName(1002), { code: 1002 }),
        "The console proxy closed the connection (code 1002).");
});
