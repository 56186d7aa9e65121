# What is looked at in the machine that booted.py boots: a line for each, "ok" or "not ok" and what it is.
set -u
export PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin LC_ALL=C.UTF-8
config=/etc/feeder/config.toml

check() {
    local name=$1
    shift
    if "$@" >/trial/told 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name"
        tail -n 8 /trial/told | sed 's/^/    /'
    fi
}
not() { ! "$@"; }
soon() {  # try again for three minutes: the machine is slow
    for _ in $(seq 90); do
        "$@" && return
        sleep 2
    done
    systemctl status --no-pager --lines 20 feeder
    return 1
}
asked() { systemctl show --property "$1" --value "${2:-feeder}"; }
is() { [ "$(asked "$1" "${3:-feeder}")" = "$2" ] || { echo "$1 is $(asked "$1" "${3:-feeder}")"; return 1; }; }
says() { asked StatusText | grep -q "$1" || { asked StatusText; return 1; }; }
logged() { journalctl --unit "${2:-feeder}" --output cat | grep -q "$1"; }
serves() { curl --silent --fail --max-time 30 "http://127.0.0.1:8080/$1" | grep -q "$2"; }
as_feeder() { runuser -u feeder -- feeder -c $config "$@"; }
drop_in() { mkdir -p "/etc/systemd/system/$1.d"; cat >"/etc/systemd/system/$1.d/$2.conf"; systemctl daemon-reload; }
now_is() { [ "$(asked NRestarts)" -gt "$1" ] && systemctl is-active --quiet feeder; }

systemctl daemon-reload
check "it starts, and says when it is ready" systemctl start feeder
check "it is active" is ActiveState active
check "its status says what it does" says '1 sources; http://127.0.0.1:8080/'
check "feeds are served" soon serves atom.xml '</feed>'
check "it runs as its own user" [ "$(ps -o user= -p "$(asked MainPID)" 2>/dev/null || stat -c %U "/proc/$(asked MainPID)")" = feeder ]
check "the exposure is 1.1 at most" sh -c 'systemd-analyze security --threshold=11 --no-pager feeder | tail -n 1'
check "memory is bounded by a control group" [ "$(cat /sys/fs/cgroup/system.slice/feeder.service/memory.max)" = 2147483648 ]
check "processes are bounded by a control group" [ "$(cat /sys/fs/cgroup/system.slice/feeder.service/pids.max)" = 256 ]
check "all but its own places is read-only to it" not nsenter --target "$(asked MainPID)" --mount touch /usr/local/bin/feeder /srv/articles/x.md
check "nobody else reads the state" not runuser -u nobody -- cat /var/lib/feeder/feeder.db
check "a web server reads the feeds" runuser -u nobody -- grep -q '</feed>' /var/lib/feeder/public/atom.xml
check "the journal has a line of JSON for each event" sh -c \
    'journalctl --unit feeder _COMM=feeder --output cat | grep "^{" | python3 -c "import json, sys; assert [json.loads(line) for line in sys.stdin]"'
check "its user sees how it stands" as_feeder status
check "root is refused to write" not feeder -c $config once

cp $config /trial/good.toml
sed -i 's/^title = .*/title = "Renamed newsroom"/' $config
check "a good configuration is taken over" systemctl reload feeder
check "and feeds follow it" soon serves atom.xml 'Renamed newsroom'
echo 'nonsense = 1' >>$config
check "a wrong configuration makes the reload fail" not systemctl reload feeder
check "and the one of before goes on" serves atom.xml 'Renamed newsroom'
check "and the status tells" says 'of before goes on'
cp /trial/good.toml $config
check "and a good one ends that" systemctl reload feeder

restarts=$(asked NRestarts)
kill -KILL "$(asked MainPID)"
check "it is started again after a crash" soon now_is "$restarts"
check "and feeds are served again" soon serves atom.xml '</feed>'

drop_in feeder.service watchdog <<'CONF'
[Service]
WatchdogSec=60s
TimeoutAbortSec=5s
CONF
systemctl restart feeder
restarts=$(asked NRestarts)
sleep 70
check "the watchdog is fed" is NRestarts "$restarts"
kill -STOP "$(asked MainPID)"
check "a daemon that hangs is ended and started again" soon now_is "$restarts"
check "and the journal says why" sh -c 'journalctl --unit feeder | grep -q "Watchdog timeout"'
rm -r /etc/systemd/system/feeder.service.d

cat >/trial/members.py <<'CONF'
import http.server
class Members(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        item = "<item><title>For members</title><link>http://127.0.0.1/1</link><pubDate>Mon, 02 Feb 2026 06:00:00 GMT</pubDate></item>"
        good = self.headers.get("Authorization") == "Bearer open-sesame"
        self.send_response(200 if good else 401)
        self.send_header("Content-Type", "application/rss+xml")
        self.end_headers()
        self.wfile.write(f"<rss version='2.0'><channel><title>Members</title>{item}</channel></rss>".encode())
http.server.HTTPServer(("127.0.0.1", 8090), Members).serve_forever()
CONF
systemd-run --quiet --unit members python3 /trial/members.py
mkdir -m 700 /etc/feeder-secrets
echo open-sesame >/etc/feeder-secrets/members
drop_in feeder.service credential <<'CONF'
[Service]
LoadCredential=members:/etc/feeder-secrets/members
CONF
cat >>$config <<'CONF'
[[source]]
name = "members"
url = "http://127.0.0.1:8090/"
allow_private = ["127.0.0.1/32"]
auth = "bearer:credential:members"
category = "Members"
CONF
check "it starts with a credential" systemctl restart feeder
check "and a source gets the secret" soon serves rss.xml 'For members'
check "which no process of another user sees" not runuser -u nobody -- cat /run/credentials/feeder.service/members
check "and no log" not logged open-sesame

check "a backup is made by the unit" sh -c 'systemctl start feeder-backup && ls /var/lib/feeder/backups | grep -q "[.]db$"'
check "and every day from now on" sh -c 'systemctl enable --now feeder-backup.timer && systemctl list-timers --no-pager | grep -q feeder-backup'

sed -i 's/^listen = .*/listen = "unix:\/run\/feeder\/http.sock"/' $config
mkdir -p /etc/systemd/system/feeder.service.d
cp /opt/feeder/share/feeder/systemd/local.conf /etc/systemd/system/feeder.service.d/
systemctl daemon-reload
check "it starts without a network" systemctl restart feeder
check "and is served at a socket" soon sh -c 'curl --silent --fail --unix-socket /run/feeder/http.sock http://x/atom.xml | grep -q "</feed>"'
as_feeder poll members
check "and reaches nobody" soon logged '"poll_failed", "source": "members"'
check "and keeps what it had" sh -c 'curl --silent --unix-socket /run/feeder/http.sock http://x/rss.xml | grep -q "For members"'
check "the exposure without a network is 0.3 at most" sh -c 'systemd-analyze security --threshold=3 --no-pager feeder | tail -n 1'

install -d --owner=feeder --group=feeder /etc/feeder-second
sed -e 's/feeder\.db/second.db/; s#/var/lib/feeder/#/var/lib/feeder-second/#; s/^listen = .*/listen = ""/; s#/run/feeder/#/run/feeder-second/#' \
    /trial/good.toml >/etc/feeder-second/config.toml
check "a second site runs beside it" systemctl start feeder@second
check "with feeds of its own" soon test -s /var/lib/feeder-second/public/atom.xml

check "it stops in time" systemctl stop feeder
check "and well" is Result success
echo 'nonsense = 1' >>$config
check "a wrong configuration does not start" not systemctl start feeder
check "and is not tried again" is NRestarts 0
echo "ok the end was reached"
