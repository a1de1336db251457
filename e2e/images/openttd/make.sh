#!/bin/bash
# make.sh IMAGE RECIPE-HASH: OpenTTD's server from Debian's packages.
source "$(dirname "$0")/../image.sh"
unpack openttd openttd-data openttd-opengfx
LIBRARIES=$files/usr/lib/x86_64-linux-gnu/pulseaudio program usr/games/openttd
mkdir -p "$root/usr/share/games"
cp -a "$files/usr/share/games/openttd" "$root/usr/share/games/"
publish <<'EOF'
#!/bin/sh
# As the images that published eggs name do it: say the startup command, expand its placeholders, become it.
cd /home/container
# The egg's install script downloads OpenTTD; here the image brings it.
[ -e openttd ] || ln -s /usr/games/openttd openttd
command=$(printf '%s' "$STARTUP" | sed -e 's/{{/${/g' -e 's/}}/}/g')
printf 'container@raptor~ %s\n' "$command"
eval "exec $command"
EOF
