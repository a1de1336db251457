# What the recipes share: sourced with IMAGE and RECIPE-HASH as arguments. Nothing is installed on the host.
set -euo pipefail
image=$1 recipe=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root files=$work/files

# unpack PACKAGE...: Debian packages and what they need, into $files.
unpack() {
    mkdir -p "$work/debs/partial" "$files"
    cd "$work/debs"
    apt-cache show "$1" >/dev/null 2>&1 || apt-get -qq update
    # What the host lacks is downloaded; what it has is taken from the host, in `program`.
    apt-get -qq install -y --no-install-recommends --download-only -o Dir::Cache::archives="$PWD" \
        -o APT::Sandbox::User=root "$@" >/dev/null
    for package in "$@"; do
        ls "$package"_*.deb >/dev/null 2>&1 || apt-get -qq -o APT::Sandbox::User=root download "$package" >/dev/null
    done
    for deb in ./*.deb; do dpkg -x "$deb" "$files"; done
}

# A root folder with a static busybox and the user that containers run as.
mkdir -p "$root"/{bin,etc,tmp,proc,sys,dev,home/container}
unpack busybox-static
cp "$files/bin/busybox" "$root/bin/busybox" 2>/dev/null || cp "$files/usr/bin/busybox" "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
echo 'container:x:988:988::/home/container:/bin/sh' >"$root/etc/passwd"
echo 'container:x:988:' >"$root/etc/group"

# program PATH: a program from $files with the libraries that it needs, which may be in LIBRARIES as well.
program() {
    install -D -m 755 "$files/$1" "$root/$1"
    local libraries
    libraries=$(LD_LIBRARY_PATH=$files/usr/lib/x86_64-linux-gnu:$files/lib/x86_64-linux-gnu:${LIBRARIES:-} ldd "$root/$1")
    if grep -q 'not found' <<<"$libraries"; then
        grep 'not found' <<<"$libraries" >&2
        exit 1
    fi
    for library in $(grep -oE '/[^ ]+\.so[^ ]*' <<<"$libraries" | sort -u); do
        install -D -m 755 "$(readlink -f "$library")" "$root/${library#"$files"}"
    done
}

# publish: $root as the image, begun by the entrypoint on standard input.
publish() {
    cat >"$root/entrypoint.sh"
    tar -C "$root" --owner=0 --group=0 -c . | docker import \
        -c 'USER container' -c 'ENV HOME=/home/container' -c 'WORKDIR /home/container' \
        -c 'CMD ["/bin/sh", "/entrypoint.sh"]' -c "LABEL raptor.recipe=$recipe" - "$image" >/dev/null
}
