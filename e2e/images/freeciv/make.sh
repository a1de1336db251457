#!/bin/bash
# make.sh IMAGE RECIPE-HASH: Freeciv's server from Debian's packages, without installing anything on the host.
set -euo pipefail
image=$1 recipe=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{debs,files,root}
cd "$work/debs"
mkdir -p partial
apt-cache show freeciv-server >/dev/null 2>&1 || apt-get -qq update
# What the host lacks is downloaded; what it has is taken from the host further down.
apt-get -qq install -y --no-install-recommends --download-only -o Dir::Cache::archives="$PWD" \
    -o APT::Sandbox::User=root freeciv-server >/dev/null
for package in freeciv-server freeciv-data; do
    ls "$package"_*.deb >/dev/null 2>&1 || apt-get -qq -o APT::Sandbox::User=root download "$package" >/dev/null
done
for deb in ./*.deb; do dpkg -x "$deb" "$work/files"; done
root=$work/root files=$work/files
mkdir -p "$root"/{bin,etc,tmp,proc,sys,dev,home/container,usr/games,usr/share/games}
cp /bin/busybox "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
cp "$files/usr/games/freeciv-server" "$root/usr/games/"
cp -a "$files/usr/share/games/freeciv" "$root/usr/share/games/"
export LD_LIBRARY_PATH=$files/usr/lib/x86_64-linux-gnu:$files/lib/x86_64-linux-gnu
libraries=$(ldd "$root/usr/games/freeciv-server")
if grep -q 'not found' <<<"$libraries"; then grep 'not found' <<<"$libraries" >&2; exit 1; fi
for library in $(grep -oE '/[^ ]+\.so[^ ]*' <<<"$libraries" | sort -u); do
    install -D -m 755 "$(readlink -f "$library")" "$root/${library#"$files"}"
done
echo 'container:x:988:988::/home/container:/bin/sh' >"$root/etc/passwd"
echo 'container:x:988:' >"$root/etc/group"
cat >"$root/entrypoint.sh" <<'EOF'
#!/bin/sh
# As the images that published eggs name do it: say the startup command, expand its placeholders, become it.
cd /home/container
command=$(printf '%s' "$STARTUP" | sed -e 's/{{/${/g' -e 's/}}/}/g')
printf 'container@raptor~ %s\n' "$command"
eval "exec $command"
EOF
tar -C "$root" --owner=0 --group=0 -c . | docker import \
    -c 'USER container' -c 'ENV HOME=/home/container' -c 'WORKDIR /home/container' \
    -c 'CMD ["/bin/sh", "/entrypoint.sh"]' -c "LABEL raptor.recipe=$recipe" - "$image" >/dev/null
