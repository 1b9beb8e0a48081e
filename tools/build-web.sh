#!/usr/bin/env bash
# Puts the libraries of the console pages into console_svc/web/console/vendor.
#
# npm installs the versions of package-lock.json. A wheel that is built
# afterwards has them, so hosts of the proxy need no Node.js. Nothing is done
# if the folder is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

vendor=console_svc/web/console/vendor
stamp=$(cat package-lock.json tools/build-web.sh | sha256sum | cut -d' ' -f1)
if [ "$(cat "$vendor/built.txt" 2>/dev/null)" = "$stamp" ]; then exit 0; fi

command -v npm >/dev/null || { echo "npm is required: see bindep.txt" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp package.json package-lock.json .npmrc "$work"
npm ci --silent --prefix "$work"
from=$work/node_modules

rm -rf "$vendor"
mkdir -p "$vendor"/{novnc,xterm,spice-client,iron-remote-desktop,asciinema-player}
cp -R "$from/@novnc/novnc/"{core,vendor,LICENSE.txt} "$vendor/novnc"
mv "$vendor/novnc/vendor/pako/LICENSE" "$vendor/novnc/vendor/pako/LICENSE.txt"
cp "$from/@xterm/xterm/lib/xterm.mjs" "$from/@xterm/xterm/css/xterm.css" \
    "$from/@xterm/addon-fit/lib/addon-fit.mjs" "$vendor/xterm"
cp "$from/@xterm/xterm/LICENSE" "$vendor/xterm/LICENSE.txt"
bundle=$from/asciinema-player/dist/bundle
# It is a script, and the pages import modules.
(cat "$bundle/asciinema-player.min.js"; echo "export default AsciinemaPlayer;") \
    >"$vendor/asciinema-player/asciinema-player.js"
cp "$bundle/asciinema-player.css" "$vendor/asciinema-player"
# It has its dependencies inside.
for package in asciinema-player solid-js solid-transition-group \
    @solid-primitives/{refs,transition-group,utils}; do
    echo "$package:"
    cat "$from/$package/LICENSE"
done >"$vendor/asciinema-player/LICENSE.txt"
cp "$from/spice-client/dist/esm/index.js" "$vendor/spice-client"
cp "$from/spice-client/LICENSE" "$vendor/spice-client/LICENSE.txt"
cp "$from/@devolutions/iron-remote-desktop/iron-remote-desktop.js" \
    "$vendor/iron-remote-desktop"
# Its WebAssembly is inside the module, and the pages' content security policy
# allows no data URLs.
node --input-type=commonjs - \
    "$from/@devolutions/iron-remote-desktop-rdp/iron-remote-desktop-rdp.js" \
    "$vendor/iron-remote-desktop" <<'END'
const { readFileSync, writeFileSync } = require("node:fs");
const [from, to] = process.argv.slice(2);
const module = readFileSync(from, "utf8");
const [url, base64] = module.match(
    /"data:application\/wasm;base64,([A-Za-z0-9+/=]+)"/);
writeFileSync(`${to}/iron-remote-desktop-rdp.js`, module.replace(
    url, () => 'new URL("iron-remote-desktop-rdp.wasm", import.meta.url)'));
writeFileSync(`${to}/iron-remote-desktop-rdp.wasm`,
    Buffer.from(base64, "base64"));
END
echo "IronRDP by Devolutions: MIT or Apache-2.0" \
    >"$vendor/iron-remote-desktop/LICENSE.txt"
# Only what browsers read, and the licences: the patterns of MANIFEST.in.
find "$vendor" -type f ! -name '*.js' ! -name '*.mjs' ! -name '*.css' \
    ! -name '*.txt' ! -name '*.wasm' -delete
# The maps are not there.
sed -i '/^\/\/# sourceMappingURL=/d' "$vendor"/*/*.mjs "$vendor"/*/*.js
echo "$stamp" >"$vendor/built.txt"
