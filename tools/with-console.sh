#!/usr/bin/env bash
# Runs a guest with a console; run by tools/quickstart.sh --with-console.
#
# Starts a private libvirtd with a guest of 512 bytes (tools/guest.s), the
# service with the driver libvirt, and the console proxy, all on 127.0.0.1.
# Prints URLs that show the guest's screen and its serial console in a browser,
# and a command that shows the screen in a native VNC client. As root, it
# installs missing distribution packages. PORT is the port of the proxy. The
# default is 6080, or a free port if it is in use. With --once it stops when all
# of them work.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/python.sh

once=
[ "${1:-}" != --once ] || once=1

packages=(binutils gcc libc6-dev libvirt-daemon libvirt-daemon-driver-qemu
    libvirt-daemon-system libvirt-dev nodejs pkg-config python3-dev
    qemu-system-x86 seabios)
missing=()
for package in "${packages[@]}"; do
    dpkg -s "$package" >/dev/null 2>&1 || missing+=("$package")
done
# Packages of nodejs other than Debian's have npm inside.
command -v npm >/dev/null || missing+=(npm)
if [ ${#missing[@]} -gt 0 ]; then
    echo "--- Distribution packages: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        echo "Install them first: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # RUNLEVEL=1 keeps the packages from starting their services.
    RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

home=$PWD/.quickstart/console
bin=$PWD/.quickstart/venv/bin
rm -rf "$home"
mkdir -p "$home"

echo "--- Libraries of the console pages"
tools/build-web.sh

echo "--- Installing into .quickstart/venv"
"$bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .quickstart/venv
rm -rf build/lib
"$bin/python" -m pip install -q --disable-pip-version-check '.[libvirt,proxy]'

# The first is that of the proxy.
ports=$("$bin/python" tools/port.py "${PORT:-default:6080}" 5)
read -r proxy_port local_port api_port vnc_port serial_port <<<"$ports"

# libvirtd in session mode, which root runs as the user nobody.
lv=$(mktemp -d)
running=()
stop() {
    trap - EXIT INT TERM
    "$bin/python" "$home/guest.py" stop >/dev/null 2>&1 || true
    for pid in "${running[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$lv"
}
trap stop EXIT
trap 'exit 130' INT TERM

mkdir -p -m 700 "$lv/run" "$lv/config/libvirt"
echo 'stdio_handler = "file"' >"$lv/config/libvirt/qemu.conf"
tools/guest.sh "$lv/guest.img"
as_user=()
if [ "$(id -u)" -eq 0 ]; then
    chown -R nobody:nogroup "$lv"
    as_user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
fi
libvirtd=$(command -v libvirtd || echo /usr/sbin/libvirtd)
HOME=$lv XDG_RUNTIME_DIR=$lv/run XDG_CONFIG_HOME=$lv/config \
    XDG_CACHE_HOME=$lv/cache XDG_DATA_HOME=$lv/data XDG_STATE_HOME=$lv/state \
    "${as_user[@]}" "$libvirtd" >"$home/libvirtd.log" 2>&1 &
running+=($!)
uri="qemu+unix:///session?socket=$lv/run/libvirt/libvirt-sock"
id=5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001

cat >"$home/guest.py" <<END
import sys
import time

import libvirt

libvirt.registerErrorHandler(lambda context, error: None, None)
for _ in range(300):
    try:
        connection = libvirt.open('$uri')
        break
    except libvirt.libvirtError as error:
        why = error
        time.sleep(0.1)
else:
    sys.exit(f'libvirtd does not answer: {why}')
if sys.argv[1] == 'stop':
    connection.lookupByUUIDString('$id').destroy()
    sys.exit()
connection.createXML('''
<domain type='qemu'><name>instance-00000001</name><uuid>$id</uuid>
  <metadata>
    <nova:instance xmlns:nova='http://openstack.org/xmlns/libvirt/nova/1.1'>
      <nova:name>web-1</nova:name>
      <nova:owner><nova:project uuid='demo'>demo</nova:project></nova:owner>
    </nova:instance>
  </metadata>
  <memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='$lv/guest.img'/>
      <target dev='hda' bus='ide'/>
    </disk>
    <controller type='usb' model='none'/><memballoon model='none'/>
    <video><model type='vga'/></video>
    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>
    <serial type='tcp'>
      <source mode='bind' host='127.0.0.1' service='$serial_port'/>
      <protocol type='raw'/><target port='0'/>
    </serial>
  </devices>
</domain>''')
END
echo "--- Booting a guest"
"$bin/python" "$home/guest.py" start

cat >"$home/console-svc.conf" <<END
[DEFAULT]
state_path = $home
[api]
# For development only: tokens USER:PROJECT are not validated.
auth_strategy = noauth2
[compute]
driver = libvirt
[libvirt]
hosts = compute-1=$uri
[vnc]
novncproxy_base_url = http://127.0.0.1:$proxy_port/vnc.html
[serial_console]
base_url = http://127.0.0.1:$proxy_port/serial.html
[consoles]
mode = gateway
public_hostname = 127.0.0.1
port_range = $vnc_port-$vnc_port
[rfb]
enabled = true
listen_port = 0
[proxy]
ports = $proxy_port
local_port = $local_port
[console_api]
auth_type = admin_token
token = proxy:service:service
endpoint = http://127.0.0.1:$api_port/v2.1
END
config=(--config-file "$home/console-svc.conf")
"$bin/console-svc-manage" "${config[@]}" db sync

export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1
"$bin/console-svc-api" "${config[@]}" --port "$api_port" >"$home/api.log" 2>&1 &
running+=($!)
"$bin/console-svc-proxy" "${config[@]}" >"$home/proxy.log" 2>&1 &
running+=($!)

answers() {
    for _ in $(seq 150); do
        ! curl -fs -m 5 -o /dev/null "$1" || return 0
        sleep 0.2
    done
    cat "$home/api.log" "$home/proxy.log" >&2
    echo "$1 does not answer." >&2
    return 1
}
answers "http://127.0.0.1:$api_port/healthcheck"
answers "http://127.0.0.1:$local_port/healthcheck"

# url_of PROTOCOL TYPE: prints the URL of a new console token.
url_of() {
    curl -fs -m 30 -X POST -H 'X-Auth-Token: joe:demo' \
        -H 'OpenStack-API-Version: compute 2.6' -H 'Content-Type: application/json' \
        -d "{\"remote_console\": {\"protocol\": \"$1\", \"type\": \"$2\"}}" \
        "http://127.0.0.1:$api_port/v2.1/servers/$id/remote-consoles" |
        "$bin/python" -c 'import json, sys; print(json.load(sys.stdin)["remote_console"]["url"])'
}
url=$(url_of vnc novnc)
serial_url=$(url_of serial serial)

consoles=http://127.0.0.1:$api_port/v2.1/servers/$id/consoles
curl -fs -m 30 -X POST -H 'X-Auth-Token: joe:demo' "$consoles"
password=$(curl -fs -m 30 -H 'X-Auth-Token: joe:demo' "$consoles/1" |
    "$bin/python" -c 'import json, sys; print(json.load(sys.stdin)["console"]["password"])')

echo "--- Checking the console in the browser pages and in a VNC client"
for page in "$url" "$serial_url" "http://127.0.0.1:$proxy_port/console/vendor/novnc/core/rfb.js"; do
    curl -fs -m 10 -o /dev/null "$page"
done
"$bin/python" - "$url" <<'END'
import sys
from urllib import parse

from websockets.sync import client

page = parse.urlsplit(sys.argv[1])
path = parse.parse_qs(page.query)['path'][0]
with client.connect(f'ws://{page.netloc}/{path}', subprotocols=['binary']) as it:
    banner = it.recv(30)
    if banner != b'RFB 003.008\n':
        sys.exit(f'The console does not speak RFB: {banner}')
END
"$bin/python" - "$serial_url" <<'END'
import sys
from urllib import parse

from websockets.sync import client

page = parse.urlsplit(sys.argv[1])
with client.connect(f'ws://{page.netloc}/?{page.query}', subprotocols=['binary']) as it:
    it.send(b'x')
    # The guest echoes it.
    it.recv(30)
END
"$bin/python" - "$vnc_port" "$password" <<'END'
import socket
import sys

from console_svc.compute.libvirt.vnc import Connection
from console_svc.protocols import rfb

with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 10) as stream:
    Connection(stream, sys.argv[2]).perform(rfb.log_in([rfb.VNC]))
END

if [ -n "$once" ]; then
    echo "--- All work. --once ends here and stops everything; without it, the console stays for a browser and a VNC client."
    exit 0
fi

cat <<END

Open these URLs in a browser on this machine: the screen of the guest, on which
the keys 1, 2 and 4 change the colour, and its serial console.

  $url

  $serial_url

The URLs are valid for ten minutes. To get another one for the screen:

  curl -s -X POST -H 'X-Auth-Token: joe:demo' -H 'OpenStack-API-Version: compute 2.6' \\
      -H 'Content-Type: application/json' -d '{"remote_console": {"protocol": "vnc", "type": "novnc"}}' \\
      http://127.0.0.1:$api_port/v2.1/servers/$id/remote-consoles

Or use a native VNC client, such as tigervnc-viewer:

  vncviewer 127.0.0.1::$vnc_port

The password is $password. This command shows it:

  curl -s -H 'X-Auth-Token: joe:demo' $consoles/1

To list the open sessions of the console:

  curl -s -H 'X-Auth-Token: joe:demo' http://127.0.0.1:$api_port/v2.1/servers/$id/console-sessions

END
echo "Ctrl-C stops everything. Logs and configuration are in .quickstart/console."
wait "${running[1]}" "${running[2]}"
