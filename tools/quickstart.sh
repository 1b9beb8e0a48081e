#!/usr/bin/env bash
# Runs console-svc on this machine and demonstrates its API.
#
#   tools/quickstart.sh           demonstrate, then serve until Ctrl-C
#   tools/quickstart.sh --once    demonstrate, then exit
#   tools/quickstart.sh --with-console [--once]
#                                 start a guest and print the URLs of its consoles
#   tools/quickstart.sh --help    print this
#
# All files are in .quickstart: a virtual environment, a configuration with the
# embedded defaults (SQLite, an inventory file, noauth2), and the log. PORT is
# the port to use: that of the API, or with --with-console that of the console
# proxy. The defaults are 8775 and 6080, or a free port if they are in use.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,13s/^# \?//p' tools/quickstart.sh; }

once=
with_console=
for argument in "$@"; do
    case $argument in
        --once) once=--once ;;
        --with-console) with_console=1 ;;
        -h | --help) usage; exit 0 ;;
        *) echo "Unknown argument: $argument" >&2; usage >&2; exit 2 ;;
    esac
done
. tools/python.sh
command -v curl >/dev/null || { echo "curl is required." >&2; exit 1; }
if [ -n "${PORT:-}" ]; then "$python" tools/port.py "$PORT" >/dev/null; fi

home=$PWD/.quickstart
bin=$home/venv/bin
log=$home/console-svc.log
config=$home/console-svc.conf
mkdir -p "$home"
# Two runs would overwrite each other's files.
exec 9>"$home/lock"
flock -n 9 || {
    echo "tools/quickstart.sh already runs in this folder. Stop it first, or use another clone." >&2
    exit 1
}
[ -z "$with_console" ] || exec tools/with-console.sh $once

echo "--- Installing into .quickstart/venv"
"$bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$home/venv"
# pip would install stale modules from an earlier build.
rm -rf build/lib
"$bin/python" -m pip install -q --disable-pip-version-check .

port=$("$bin/python" tools/port.py "${PORT:-default:8775}")
url=http://127.0.0.1:$port

cat >"$config" <<END
[DEFAULT]
state_path = $home
[api]
# For development only: tokens USER:PROJECT are not validated.
auth_strategy = noauth2
[static]
inventory = $home/servers.yaml
[vnc]
novncproxy_base_url = https://console.example.org/vnc.html
END
cp etc/console_svc/servers.yaml "$home/servers.yaml"

echo "--- Creating or upgrading the database schema"
"$bin/console-svc-manage" --config-file "$config" db sync

# Requests to the service must not go through an HTTP proxy.
export no_proxy=127.0.0.1 NO_PROXY=127.0.0.1

"$bin/console-svc-api" --config-file "$config" --port "$port" >"$log" 2>&1 &
service=$!
stop() {
    trap - EXIT INT TERM
    kill "$service" 2>/dev/null && wait "$service" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM

for _ in $(seq 150); do
    curl -fs -m 5 -o /dev/null "$url/healthcheck" && break
    kill -0 "$service" 2>/dev/null || { cat "$log"; echo "The service did not start." >&2; exit 1; }
    sleep 0.2
done
curl -fs -m 5 -o /dev/null "$url/healthcheck" || { cat "$log"; echo "The service does not answer." >&2; exit 1; }
echo "--- The service runs at $url. Its log is .quickstart/console-svc.log."

body=$home/answer

# quoted ARGUMENT...: prints the arguments with shell quotes.
quoted() {
    local argument
    for argument in "$@"; do
        case $argument in
            *[!A-Za-z0-9_./:=-]*) printf " '%s'" "$argument" ;;
            *) printf ' %s' "$argument" ;;
        esac
    done
}

# ask STATUS ARGUMENT...: prints a request and its answer, and checks the
# status of the answer. The body of the answer is left in $body.
ask() {
    local expected=$1 status; shift
    echo
    printf '$ curl'; quoted "$@"; echo
    status=$(curl -s -m 30 -o "$body" -w '%{http_code}' "$@") || { echo "No answer." >&2; exit 1; }
    printf '%s %s\n' "$status" "$(cat "$body")"
    [ "$status" = "$expected" ] || { echo "The expected status is $expected." >&2; exit 1; }
}

# get PATH: prints a value of the last answer, by its keys and indexes.
get() {
    "$bin/python" -c 'import json, sys
value = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."):
    value = value[int(key) if key.isdigit() else key]
print(value)' "$body" "$1"
}

server=$url/v2.1/servers/5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001
user='X-Auth-Token: joe:demo'
proxy='X-Auth-Token: proxy:service:service'
admin='X-Auth-Token: admin:admin'

echo
echo "--- A member of the project opens a native console of a server"
ask 200 -X POST -H "$user" "$server/consoles"
ask 200 -H "$user" "$server/consoles"
id=$(get consoles.0.console.id)
ask 200 -H "$user" "$server/consoles/$id"

echo
echo "--- The member gets a URL with a console token for a browser"
ask 200 -X POST -H "$user" -H 'OpenStack-API-Version: compute 2.6' \
    -H 'Content-Type: application/json' \
    -d '{"remote_console": {"protocol": "vnc", "type": "novnc"}}' \
    "$server/remote-consoles"
echo "No console proxy runs here, so this URL is only an example. tools/quickstart.sh --with-console prints one that works."
token=$(get remote_console.url | sed 's/.*token%3D//')

echo
echo "--- A console proxy looks up the token"
ask 200 -H "$proxy" -H 'OpenStack-API-Version: compute 2.31' "$url/v2.1/os-console-auth-tokens/$token"

echo
echo "--- An administrator may look it up, too"
ask 200 -H "$admin" -H 'OpenStack-API-Version: compute 2.31' "$url/v2.1/os-console-auth-tokens/$token"

echo
echo "--- Other users may not. Servers of other projects are not found"
ask 403 -H "$user" -H 'OpenStack-API-Version: compute 2.31' "$url/v2.1/os-console-auth-tokens/$token"
ask 404 -H 'X-Auth-Token: eve:other' "$server/consoles"

echo
echo "--- The member closes the console"
ask 202 -X DELETE -H "$user" "$server/consoles/$id"
ask 404 -H "$user" "$server/consoles/$id"

echo
echo "--- The demonstration is complete."
[ -z "$once" ] || exit 0

cat <<END

Try next, in another terminal:

  curl -s $url/ | $python -m json.tool
  curl -s -X POST -H '$user' $server/consoles
  curl -s -H '$user' $server/consoles

  With openstackclient:
  export OS_AUTH_TYPE=admin_token OS_TOKEN=joe:demo OS_ENDPOINT=$url/v2.1
  openstack server list
  openstack console url show --novnc web-1

  Edit .quickstart/servers.yaml. The service reads it again when it changes.
  .quickstart/venv/bin/console-svc-manage --config-file .quickstart/console-svc.conf token issue \\
      --server 5f3d1f8e-9c8e-4a57-9a0c-4dd8e3f1c001 --type serial
  curl -s -H '$admin' -H 'OpenStack-API-Version: compute 2.99' $url/v2.1/os-console-auth-tokens/TOKEN

Ctrl-C stops the service.
END
wait "$service"
