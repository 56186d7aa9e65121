#!/usr/bin/env bash
# Install Feeder on a fresh Debian by the commands of docs/operating.md, and use it as its operator would.
#   tests/packaging/debian.sh [SUITE [DIRECTORY]]     as root; it takes debootstrap, systemd, git and some minutes
# Without a booted systemd, what the units say is run as their user: ExecStart=, in StateDirectory=.
set -euo pipefail
exec </dev/null
[ -n "${APART:-}" ] || APART=1 exec unshare --mount "$0" "$@"  # what is mounted here is gone with the script

suite=${1:-bookworm}
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
kept=${2:-}
root=${kept:-$(mktemp -d)}
daemon=
clean() {
    [ -z "$daemon" ] || kill -KILL "$daemon" 2>/dev/null || true
    [ -n "$kept" ] || { umount --recursive --lazy "$root/proc" "$root/dev"; rm -rf --one-file-system "$root"; }
}
trap clean EXIT

say() { printf '\n== %s\n' "$1"; }

# Print the commands under this mark.
commands() {
    awk -v mark="<!-- command: $1 -->" '
        $0 == mark { found = 1; next }
        found && /^```/ { if (inside) exit; inside = 1; next }
        inside' "$tree/docs/operating.md" | grep .
}

# Run a script inside, in the copy of the tree, as root.
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 PIP_QUIET=1 HOME=/root bash -euo pipefail -c "cd /src && $1"; }
follow() { commands "$1" | while IFS= read -r line; do echo "# $line"; inside "$line"; done; }
as_feeder() { inside "runuser -u feeder -- /usr/local/bin/feeder -c /etc/feeder/config.toml $*"; }
unit() { sed -n "s/^$1=//p" "$root/etc/systemd/system/$2"; }

# Wait until a command inside succeeds.
until_so() {
    for _ in $(seq 240); do
        inside "$1" >/dev/null 2>&1 && return
        sleep 0.5
    done
    echo "it never came to this: $1" >&2
    exit 1
}

say "A fresh Debian: $suite"
chmod 755 "$root"  # it is the root of all users in it
[ -x "$root/bin/sh" ] || debootstrap --variant=minbase --include=ca-certificates,systemd "$suite" "$root" >"$root.log" || { tail -n 20 "$root.log" >&2; exit 1; }
rm -f "$root.log"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"  # what this machine trusts, a proxy of its own perhaps
mount --bind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mkdir -p "$root/src"
git -C "$tree" ls-files -z --cached --others --exclude-standard | (cd "$tree" && tar --create --null --ignore-failed-read --files-from=-) | tar --extract --directory="$root/src"

say 'Install'
inside 'apt-get update -qq'
follow install
follow extras
inside 'feeder --version; test -s /etc/bash_completion.d/feeder'

say 'The first configuration, and articles'
inside 'install -d /srv/articles && cp -R examples/articles/. /srv/articles/'
as_feeder check
as_feeder once --dry-run

say 'Enable, and start what the unit starts'
inside 'install -d --owner=feeder --group=feeder /run/feeder'  # RuntimeDirectory=
inside 'systemctl enable feeder feeder-backup.timer'
test -L "$root/etc/systemd/system/multi-user.target.wants/feeder.service"
exec_start=$(unit ExecStart feeder.service)
inside "cd $(unit WorkingDirectory feeder.service | sed 's/%i//'); exec runuser -u $(unit User feeder.service) -- $exec_start" >"$root/var/log/feeder.log" 2>&1 &
daemon=$!
until_so 'test -s /var/lib/feeder/public/atom.xml'
as_feeder status
as_feeder doctor
inside '/opt/feeder/bin/python -c "import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:8080/readyz\").read())"'

say 'Reload'
inside "sed -i 's/^title = .*/title = \"Another title\"/' /etc/feeder/config.toml"
inside "$(unit ExecReload feeder.service | sed 's/^/runuser -u feeder -- /')"
until_so 'grep -q "Another title" /var/lib/feeder/public/atom.xml'

say 'Back up, upgrade, restore'
inside 'install -d --owner=feeder --group=feeder --mode=700 /var/lib/feeder/backups'
inside "runuser -u feeder -- $(unit ExecStart feeder-backup.service)"
before=$(inside 'find /var/lib/feeder/public -type f -exec sha256sum {} + | sort | sha256sum')
stop() { kill -TERM "$(cat "$root/var/lib/feeder/feeder.db.lock")"; wait "$daemon"; daemon=; }
stop
follow upgrade
as_feeder restore /var/lib/feeder/backups/feeder-*.db
inside "runuser -u feeder -- $(unit ExecStart feeder-once.service)"
test "$before" = "$(inside 'find /var/lib/feeder/public -type f -exec sha256sum {} + | sort | sha256sum')"
as_feeder doctor

say 'Good'
