#!/bin/bash
# make.sh IMAGE RECIPE-HASH: a few hundred kilobytes with a shell, from the host's static busybox.
set -euo pipefail
image=$1 recipe=$2
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,etc,tmp,proc,sys,dev,home/container}
cp /bin/busybox "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
echo 'container:x:988:988::/home/container:/bin/sh' >"$root/etc/passwd"
echo 'container:x:988:' >"$root/etc/group"
cat >"$root/entrypoint.sh" <<'EOF'
#!/bin/sh
# Expands the placeholders of $STARTUP and becomes it.
cd /home/container
eval "exec $(printf '%s' "$STARTUP" | sed -e 's/{{/${/g' -e 's/}}/}/g')"
EOF
tar -C "$root" --owner=0 --group=0 -c . | docker import \
    -c 'USER container' -c 'ENV HOME=/home/container' -c 'WORKDIR /home/container' \
    -c 'CMD ["/bin/sh", "/entrypoint.sh"]' -c "LABEL raptor.recipe=$recipe" - "$image" >/dev/null
